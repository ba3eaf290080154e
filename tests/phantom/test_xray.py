"""The physics of one exposure: geometry of the beam, Beer-Lambert, quanta, grey scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medtrimix.phantom.beam import frontal_beam
from medtrimix.phantom.devices import DEVICES
from medtrimix.phantom.lungs import opacity
from medtrimix.phantom.solids import Region, ellipsoid
from medtrimix.phantom.swarm import Swarm
from medtrimix.phantom.thorax import Thorax, build_thorax, draw_build
from medtrimix.phantom.xray import aim, detect, draw_pose, grey_scale, transmission

QUIET = replace(DEVICES[0], readout_noise=0, scatter_ratio=0, blur_mm=1e-6)


_RNG = np.random.default_rng(0)
CHEST = build_thorax(draw_build(_RNG), _RNG, inspiration_mm=0, mottle=0.05)


@pytest.mark.parametrize("from_behind", [True, False])
def test_left_is_on_the_right_and_the_head_is_up(from_behind: bool) -> None:
    beam = frontal_beam(
        source_to_detector_mm=1500, source_to_patient_mm=1250, from_behind=from_behind, pixel_mm=2, shape=(101, 101)
    )
    middle, left, head = beam.project(np.array([[0, 0, 0], [50.0, 0, 0], [0, 0, 50.0]]))
    assert middle == pytest.approx(np.array([50, 50]))
    # Magnification 1500 / 1250 = 1.2; 50 mm become 60 mm, 30 pixels.
    assert left == pytest.approx(np.array([50, 80]))
    assert head == pytest.approx(np.array([20, 50]))


def test_rays_end_where_points_are_projected() -> None:
    device = DEVICES[3]
    beam = aim(device, draw_pose(np.random.default_rng(1), device=device), image_px=40)
    points = beam.source + 800 * beam.directions
    row, column = np.divmod(np.arange(len(points)), beam.shape[1])
    np.testing.assert_allclose(beam.project(points), np.stack([row, column], axis=1), atol=1e-8)


def lone_sphere(mu: float) -> Thorax:
    sphere = Region(mu, (ellipsoid((0, 0, 0), (60, 60, 60)),))
    none = Swarm(np.empty((0, 3)), np.empty((0, 3, 3)), np.empty(0))
    return Thorax((sphere,), none, CHEST.lungs)


@settings(max_examples=20)
@given(st.floats(0.001, 0.05))
def test_beer_lambert(mu: float) -> None:
    beam = frontal_beam(
        source_to_detector_mm=1500, source_to_patient_mm=1250, from_behind=True, pixel_mm=10, shape=(9, 9)
    )
    once, twice = transmission(lone_sphere(mu), (), beam), transmission(lone_sphere(2 * mu), (), beam)
    assert once[4, 4] == pytest.approx(np.exp(-120 * mu))  # the middle ray crosses the diameter of 120 mm
    np.testing.assert_allclose(twice, once**2)


def test_an_opacity_only_takes_quanta_away() -> None:
    thorax, device = CHEST, DEVICES[0]
    finding = opacity(thorax.lungs[0], np.random.default_rng(0), radius_mm=40, density=0.6)
    beam = aim(device, draw_pose(np.random.default_rng(0), device=device), image_px=48)
    without, with_it = transmission(thorax, (), beam), transmission(thorax, (finding,), beam)
    assert (with_it <= without).all()
    assert 5 < (with_it < 0.9 * without).sum() < 500  # a patch, not the whole picture
    assert (without > 0).all()
    assert (without <= 1).all()


def test_noise_is_that_of_counting() -> None:
    # Var(-log n) = 1 / n for a mean of n quanta: here 0.25 * 400 * 2^2 = 400, so a standard deviation of 1/20.
    flat = np.full((200, 200), 0.25)
    density = detect(flat, np.random.default_rng(0), device=QUIET, pixel_mm=2, quanta_per_mm2=400)
    assert density.mean() == pytest.approx(np.log(4), abs=0.005)
    assert density.std() == pytest.approx(0.05, rel=0.02)


def test_more_exposure_is_less_noise_and_readout_noise_adds() -> None:
    def spread(quanta: float, readout: float) -> float:
        device = replace(QUIET, readout_noise=readout)
        rng = np.random.default_rng(0)
        return float(detect(np.full((99, 99), 0.1), rng, device=device, pixel_mm=2, quanta_per_mm2=quanta).std())

    assert spread(4000, 0) < 0.6 * spread(1000, 0)
    assert spread(100, 8) > 1.5 * spread(100, 0)


def test_scatter_flattens_contrast() -> None:
    half = np.repeat([[0.5, 0.05]], 30, axis=1).repeat(60, axis=0)

    def contrast(ratio: float) -> float:
        device = replace(QUIET, scatter_ratio=ratio)
        density = detect(half, np.random.default_rng(0), device=device, pixel_mm=4, quanta_per_mm2=1e7)
        return float(density[:, 45].mean() - density[:, 15].mean())

    assert contrast(0) == pytest.approx(np.log(10), abs=0.01)
    # Far from the border each half adds as much scatter as it has primary; near it the bright half lights the dark one.
    assert contrast(1) < 0.9 * contrast(0)
    assert contrast(3) < contrast(1)


@given(st.floats(-0.4, 0.4), st.floats(-2, 2), st.floats(0.5, 2))
def test_grey_scale_ignores_exposure_and_contrast_of_the_tube(curve: float, shift: float, gain: float) -> None:
    density = np.random.default_rng(0).uniform(0, 4, size=(30, 30))
    first, second = grey_scale(density, curve=curve), grey_scale(gain * density + shift, curve=curve)
    np.testing.assert_allclose(first, second, atol=1e-9)
    order = density.ravel().argsort()
    inside = (first.ravel()[order] > 0) & (first.ravel()[order] < 1)
    assert (np.diff(first.ravel()[order][inside]) > 0).all()  # denser is whiter


def test_lungs_are_dark_and_the_spine_is_white() -> None:
    thorax, device = CHEST, DEVICES[0]
    beam = aim(device, replace(draw_pose(np.random.default_rng(0), device=device), turn_deg=(0, 0, 0)), image_px=64)
    density = -np.log(transmission(thorax, (), beam))
    row_col = beam.project(np.array([[0.0, 60, 0], [-75.0, 0, 10], [75.0, 0, 40]])).round().astype(int)
    spine, right, left = density[row_col[:, 0], row_col[:, 1]]
    assert spine > 1.5 * max(right, left)
