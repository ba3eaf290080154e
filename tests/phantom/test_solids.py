"""Line integrals against closed forms and against a fine sum along the ray."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medtrimix.phantom.beam import Beam, frontal_beam
from medtrimix.phantom.solids import (
    Floats,
    Region,
    Slab,
    Solid,
    attenuation_at,
    carve,
    ellipsoid,
    line_integral,
    rotation,
)
from medtrimix.phantom.swarm import Swarm, swarm_integral

SOURCE = np.array([0.0, -1000.0, 0.0])
FORWARD = np.array([[0.0, 1.0, 0.0]])


def along_y(*solids: Solid, x: float = 0, z: float = 0) -> float:
    """Path length of a ray that runs to the back at `x`, `z` through the intersection of solids."""
    return float(line_integral([Region(1, solids)], source=SOURCE + np.array([x, 0, z]), direction_P3=FORWARD)[0])


@given(st.floats(1, 200), st.floats(-1.2, 1.2))
def test_chord_of_a_sphere(radius: float, share: float) -> None:
    # Pythagoras: at distance d from the centre the chord is 2 sqrt(r^2 - d^2), and 0 outside.
    distance = radius * share
    expected = 2 * np.sqrt(max(radius**2 - distance**2, 0))
    sphere = ellipsoid((0, 0, 0), (radius, radius, radius))
    assert along_y(sphere, x=distance) == pytest.approx(expected, abs=1e-4)  # sqrt near a tangent: 1e-16 * 1000^2


def test_chord_of_a_turned_ellipsoid() -> None:
    # Through the centre along the unit vector u the chord is 2 / |to_unit u|. Turned by 90 degrees about z, the first
    # semi-axis (30 mm) lies along the ray; turned by 45 degrees both share alike: 2 / sqrt((1/30^2 + 1/50^2) / 2).
    assert along_y(ellipsoid((0, 0, 0), (30, 50, 70))) == pytest.approx(100)
    assert along_y(ellipsoid((0, 0, 0), (30, 50, 70), rotation(z_deg=90))) == pytest.approx(60)
    expected = 2 / np.sqrt((1 / 30**2 + 1 / 50**2) / 2)
    assert along_y(ellipsoid((0, 0, 0), (30, 50, 70), rotation(z_deg=45))) == pytest.approx(expected)


def test_rotations_turn_the_right_way() -> None:
    assert rotation(z_deg=90) @ [1, 0, 0] == pytest.approx(np.array([0, 1, 0]))
    assert rotation(x_deg=90) @ [0, 1, 0] == pytest.approx(np.array([0, 0, 1]))
    assert rotation(y_deg=90) @ [0, 0, 1] == pytest.approx(np.array([1, 0, 0]))


def test_slab_cuts_its_thickness_over_the_cosine() -> None:
    ball = ellipsoid((0, 0, 0), (500, 500, 500))
    tilted = np.array([0, np.cos(np.radians(60)), np.sin(np.radians(60))])
    assert along_y(ball, Slab(tilted, middle=0, half=5)) == pytest.approx(10 / np.cos(np.radians(60)))


def test_a_ray_parallel_to_a_slab_is_inside_or_outside() -> None:
    ball, across = ellipsoid((0, 0, 0), (50, 50, 50)), Slab(np.array([0, 0, 1.0]), middle=0, half=5)
    assert along_y(ball, across, z=0) == pytest.approx(100)
    assert along_y(ball, across, z=6) == 0


def test_carving_counts_overlapping_cuts_once() -> None:
    # Ball of radius 50; cuts of radius 10 and 20 around its centre: the small one lies in the large one.
    ball, small, large = (ellipsoid((0, 0, 0), (r, r, r)) for r in (50, 10, 20))
    regions = carve(1, body=(ball,), cuts=(small, large))
    assert len(regions) == 4
    assert line_integral(regions, source=SOURCE, direction_P3=FORWARD) == pytest.approx(100 - 40)


def random_solids(rng: np.random.Generator) -> list[Region]:
    def one() -> Solid:
        return ellipsoid(rng.uniform(-40, 40, 3), rng.uniform(20, 90, 3), rotation(*rng.uniform(0, 360, 3)))

    slope = rng.normal(size=3)
    slab = Slab(slope / np.linalg.norm(slope), rng.uniform(-20, 20), rng.uniform(5, 40))
    return [*carve(0.02, body=(one(), one()), cuts=(one(), slab)), Region(0.01, (one(), slab))]


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_integral_is_the_sum_of_small_steps(seed: int) -> None:
    # The midpoint sum is off by at most half a step at each border: 10 borders * 0.1 mm * 0.02 / mm.
    rng = np.random.default_rng(seed)
    regions, target = random_solids(rng), rng.uniform(-30, 30, 3)
    direction = (target - SOURCE) / np.linalg.norm(target - SOURCE)
    distance = np.arange(800, 1200, 0.1) + 0.05
    small_steps = attenuation_at(regions, SOURCE + distance[:, None] * direction).sum() * 0.1
    exact = line_integral(regions, source=SOURCE, direction_P3=direction[None])[0]
    assert exact == pytest.approx(small_steps, abs=0.02)


def random_swarm(rng: np.random.Generator, *, count: int) -> Swarm:
    turns = np.stack([rotation(*rng.uniform(0, 360, 3)) for _ in range(count)])
    radii = rng.uniform(2, 40, size=(count, 3))
    return Swarm(rng.uniform(-180, 180, size=(count, 3)), turns / radii[:, :, None], rng.normal(size=count))


def slanted_beam() -> Beam:
    return frontal_beam(
        source_to_detector_mm=1200,
        source_to_patient_mm=1000,
        from_behind=True,
        pixel_mm=8,
        shape=(40, 50),
        turn_deg=(10, -5, 20),
        shift_mm=(15, -10),
    )


def both_ways(swarm: Swarm, beam: Beam) -> tuple[Floats, Floats]:
    return swarm_integral(swarm, beam), line_integral(swarm.regions(), source=beam.source, direction_P3=beam.directions)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_a_swarm_is_the_sum_of_its_ellipsoids(seed: int) -> None:
    # Many lie partly or wholly outside the field. Absolute: chords up to 80 mm from squares of about 1e6 mm^2.
    fast, slow = both_ways(random_swarm(np.random.default_rng(seed), count=15), slanted_beam())
    np.testing.assert_allclose(fast, slow, atol=1e-4)


def test_a_swarm_moved_by_a_millimetre_is_noticed() -> None:
    swarm = random_swarm(np.random.default_rng(0), count=15)
    moved = Swarm(swarm.centre_S3 + np.array([1, 0, 0]), swarm.to_unit_S33, swarm.mu_S)
    assert np.abs(swarm_integral(moved, slanted_beam()) - both_ways(swarm, slanted_beam())[1]).max() > 0.1
