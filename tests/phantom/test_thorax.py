"""Anatomy: what lies where, and what stays the same from image to image."""

from __future__ import annotations

import numpy as np
import pytest

from medtrimix.phantom.lungs import opacity
from medtrimix.phantom.solids import attenuation_at
from medtrimix.phantom.thorax import BONE, WATER, Thorax, build_thorax, draw_build


def chest(seed: int, *, inspiration_mm: float = 0.0) -> Thorax:
    build = draw_build(np.random.default_rng(seed))
    return build_thorax(build, np.random.default_rng(seed + 1), inspiration_mm=inspiration_mm, mottle=0.0)


@pytest.mark.parametrize("seed", range(5))
def test_attenuation_is_physical(seed: int) -> None:
    # Nothing is emptier than air; the densest places are where two ribs of a person with dense bones cross.
    thorax = chest(seed)
    points = np.random.default_rng(seed).uniform((-170, -110, -180), (170, 110, 180), size=(20_000, 3))
    large = attenuation_at(thorax.regions, points)
    assert large.min() > -0.05 * WATER
    assert large.max() < WATER + 2 * 1.4 * (BONE - WATER)
    for lung in thorax.lungs:
        inside = large[lung.contains(points)]
        assert 0.15 * WATER < np.median(inside) < 0.4 * WATER


@pytest.mark.parametrize("seed", range(5))
def test_points_and_opacities_lie_in_their_lung(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for side, lung in zip((-1, 1), chest(seed).lungs, strict=True):
        points = lung.points(rng, count=200)
        assert lung.contains(points).mean() > 0.99
        assert (np.sign(points[:, 0]) == side).mean() > 0.95
        finding = opacity(lung, rng, radius_mm=30, density=0.5)
        assert lung.contains(finding.centre_S3).all()


def test_points_of_the_lung_are_not_all_points() -> None:
    lung = chest(0).lungs[0]
    assert not lung.contains(np.array([[0.0, 60, 0], [0, 0, -250], [200, 0, 0]])).any()


def test_a_deeper_breath_lowers_the_diaphragm_and_keeps_the_rest() -> None:
    shallow, deep = chest(3, inspiration_mm=-10), chest(3, inspiration_mm=10)
    points = np.random.default_rng(0).uniform((-150, -90, -180), (150, 90, 150), size=(50_000, 3))
    for before, after in zip(shallow.lungs, deep.lungs, strict=True):
        assert after.contains(points).sum() > 1.01 * before.contains(points).sum()
        same = before.points(np.random.default_rng(1), count=300), after.points(np.random.default_rng(1), count=300)
        assert (same[0] == same[1]).all(axis=1).mean() > 0.9


def test_people_differ() -> None:
    people = [draw_build(np.random.default_rng(seed)) for seed in range(40)]
    assert len({person.size for person in people}) == 40
    assert 5 < sum(person.female for person in people) < 35
