"""One person's chest as a sum of solids.

Attenuation is that of an effective energy of about 70 keV (NIST XCOM, rounded): water .0195/mm, inflated lung about a
quarter of it, ribs .042/mm. The sizes are those of an adult at full inspiration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medtrimix.phantom import skeleton
from medtrimix.phantom.lungs import Lung, uneven_aeration, vessel_tree
from medtrimix.phantom.solids import Ellipsoid, Floats, Region, carve, ellipsoid, rotation
from medtrimix.phantom.swarm import Swarm, spheroids, together

WATER, BONE = 0.0195, 0.042
"""Attenuation of soft tissue and of ribs, 1/mm."""


@dataclass(frozen=True)
class Build:
    """What differs from person to person: lengths in mm, angles in degrees, the rest relative to the average."""

    female: bool
    size: float
    width: float
    fat_mm: float
    breast: float
    heart: float
    heart_turn_deg: float
    aeration: float
    vessel_mm: float
    hilum_mm: float
    dome_mm: tuple[float, float]
    bone: float
    rib_tilt_deg: float
    rib_gap_mm: float
    curvature_mm: float

    @property
    def scale(self) -> Floats:
        """Factors from the average chest to this one, along x, y and z."""
        return self.size * np.array([self.width, 1, 1])


@dataclass(frozen=True, eq=False)
class Thorax:
    """A chest that can be exposed: large regions, a swarm of small solids, and its right and left lung."""

    regions: tuple[Region, ...]
    swarm: Swarm
    lungs: tuple[Lung, Lung]


def draw_build(rng: np.random.Generator, *, variety: float = 1.0) -> Build:
    """A random person; `variety` is how far people differ from the average one, 1 = as in an adult population."""

    def around(mean: float, spread: float) -> float:
        return float(mean + variety * spread * rng.normal())

    female = bool(rng.random() < 0.5)
    return Build(
        female=female,
        size=around(0.99 if female else 1.06, 0.045),
        width=around(1, 0.045),
        fat_mm=26 + variety * (rng.gamma(4, 5) - 20),
        breast=0.8 + variety * rng.uniform(-0.4, 0.4) if female else 0.0,
        heart=around(1, 0.08),
        heart_turn_deg=around(32, 8),
        aeration=around(0.75, 0.02),
        vessel_mm=around(4.6, 0.6),
        hilum_mm=12.5 + variety * rng.uniform(-3.5, 3.5),
        dome_mm=(around(-86, 9), around(-98, 9)),
        bone=around(1, 0.12),
        rib_tilt_deg=around(27, 4),
        rib_gap_mm=around(26, 1.5),
        curvature_mm=around(0, 6),
    )


def build_thorax(build: Build, rng: np.random.Generator, *, inspiration_mm: float, mottle: float) -> Thorax:
    """The chest of a person.

    Args:
        build: the person.
        rng: decides the vessels and other detail; the same generator state gives the same detail.
        inspiration_mm: how far the domes of the diaphragm are below their usual place.
        mottle: spread of uneven aeration, see `PhantomOptions.lung_mottle`.
    """
    scale, bone = build.scale, build.bone * (BONE - WATER)
    lungs = _lungs(build, rng, inspiration_mm=inspiration_mm)
    regions = _soft_tissue(build)
    for lung in lungs:
        regions += carve(-lung.gap, body=lung.body, cuts=lung.cuts)
    regions += skeleton.ribs(scale, rng, tilt_deg=build.rib_tilt_deg, gap_mm=build.rib_gap_mm, mu=bone)
    swarm = [
        skeleton.vertebrae(scale, curvature_mm=build.curvature_mm, mu=bone),
        skeleton.shoulder_bones(scale, rng, mu=bone),
        _airways(scale),
        _stomach_bubble(lungs[1], rng),
    ]
    for lung in lungs:
        swarm += [
            vessel_tree(lung, rng, calibre_mm=build.vessel_mm),
            _hilar_nodes(lung, rng, radius_mm=build.hilum_mm),
            uneven_aeration(lung, rng, amount=mottle),
        ]
    return Thorax(tuple(regions), together(swarm), lungs)


def _lungs(build: Build, rng: np.random.Generator, *, inspiration_mm: float) -> tuple[Lung, Lung]:
    """The right lung and the left one, bounded by the ribs, pressed in by heart, mediastinum and diaphragm."""
    scale = build.scale
    _, pleura = skeleton.cage(scale)
    turn = rotation(y_deg=build.heart_turn_deg)
    heart = ellipsoid(scale * (24, -30, -72), build.heart * scale * (72, 50, 54), turn)
    mediastinum = ellipsoid(scale * (0, 20, 0), scale * (31, 68, 190))
    aortic_arch = ellipsoid(scale * (24, 14, 52), scale * (20, 30, 21))

    def lung(side: int, dome_mm: float, *more: Ellipsoid) -> Lung:
        outline = ellipsoid(scale * (70 * side, 3, -40), scale * (84, 98, 186))
        dome = ellipsoid(scale * (68 * side, 8, dome_mm - inspiration_mm - 98), scale * (78, 102, 98))
        gap = WATER * (build.aeration + rng.normal(0, 0.01) + inspiration_mm / 1000)
        return Lung(outline, (outline, pleura), (heart, mediastinum, dome, *more), scale * (38 * side, 12, 2), gap)

    return lung(-1, build.dome_mm[0]), lung(1, build.dome_mm[1], aortic_arch)


def _soft_tissue(build: Build) -> list[Region]:
    """Trunk, neck, shoulders and breasts, all of water; what lies in the trunk is not counted twice."""
    scale, fat = build.scale, build.fat_mm
    trunk = ellipsoid(scale * (0, 0, -90), scale * (158, 106, 380) + (fat, 0.7 * fat, 0))
    outside = [ellipsoid(scale * (0, 16, 210), scale * (58, 58, 130))]
    for side in (-1, 1):
        outside.append(
            ellipsoid(scale * (128 * side, 14, 96), scale * (108, 66, 74) + fat / 2, rotation(y_deg=26 * side))
        )
        if build.breast:
            place = scale * (76 * side, -92 - 0.7 * fat, -50 - 30 * build.breast)
            outside.append(ellipsoid(place, build.breast * scale * (70, 38, 74)))
    regions = [Region(WATER, (trunk,))]
    for part in outside:
        regions += carve(WATER, body=(part,), cuts=(trunk,))
    return regions


def _airways(scale: Floats) -> Swarm:
    """Trachea and main bronchi, air in the mediastinum."""
    axis_S3 = np.array([[0, 0, 1], [-0.55, 0, -0.84], [0.72, 0, -0.69]])
    return spheroids(
        centre_S3=scale * np.array([[0, 22, 112], [-14, 20, 32], [17, 20, 34]]),
        axis_S3=axis_S3 / np.linalg.norm(axis_S3, axis=1, keepdims=True),
        along_S=np.array([72.0, 24, 26]),
        across_S=np.array([8.5, 6.5, 6]),
        mu_S=np.full(3, -0.9 * WATER),
    )


def _hilar_nodes(lung: Lung, rng: np.random.Generator, *, radius_mm: float) -> Swarm:
    """The lung's root: vessels and nodes that every chest has and that look a little like a finding."""
    count = 3
    centre_S3 = lung.hilum + rng.normal(size=(count, 3)) * [4, 6, 10]
    radii_S3 = radius_mm * rng.uniform(0.7, 1.1, size=(count, 1)) * [0.8, 1, 1.2]
    return Swarm(centre_S3, np.eye(3) / radii_S3[:, :, None], np.full(count, 0.3 * lung.gap))


def _stomach_bubble(lung: Lung, rng: np.random.Generator) -> Swarm:
    """Air below the left dome, more or less of it."""
    dome = lung.cuts[2]
    assert isinstance(dome, Ellipsoid)
    top = dome.centre + np.linalg.inv(dome.to_unit)[:, 2]
    radii = np.array([26, 22, 11]) * rng.uniform(0.2, 1.2)
    centre = top - (rng.uniform(0, 16), 10, 7 + radii[2])
    return Swarm(centre[None], np.diag(1 / radii)[None], np.array([-WATER]))
