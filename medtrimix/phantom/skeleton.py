"""The bones of the chest: ribs as bands cut out of a shell, the rest as ellipsoids."""

from __future__ import annotations

import numpy as np

from medtrimix.phantom.solids import Ellipsoid, Floats, Region, Slab, ellipsoid
from medtrimix.phantom.swarm import Swarm, spheroids

_RIBS = 11
_RIB_THICK, _RIB_HIGH = 8.0, 13.0
_CARTILAGE_BEFORE = -48.0
"""In front of this plane (y, mm) ribs are cartilage, which a radiograph does not show."""


def cage(scale: Floats) -> tuple[Ellipsoid, Ellipsoid]:
    """The outer and the inner surface of the ribs."""
    radii = np.array([150, 102, 222])
    centre = scale * (0, 0, -62)
    return ellipsoid(centre, scale * radii), ellipsoid(centre, scale * radii - _RIB_THICK)


def ribs(scale: Floats, rng: np.random.Generator, *, tilt_deg: float, gap_mm: float, mu: float) -> list[Region]:
    """Each pair of ribs is the part of the cage's shell between two parallel planes that slope down to the front."""
    outer, inner = cage(scale)
    bony = Slab(np.array([0, 1.0, 0]), scale[1] * (_CARTILAGE_BEFORE + 150), scale[1] * 150)
    regions = []
    for number in range(_RIBS):
        tilt, roll = np.radians(tilt_deg + rng.normal(0, 1)), np.radians(rng.normal(0, 0.8))
        normal = np.array([np.sin(roll), -np.sin(tilt) * np.cos(roll), np.cos(tilt) * np.cos(roll)])
        height = scale[2] * (98 - number * gap_mm) * normal[2]
        half = scale[2] * _RIB_HIGH / 2 * rng.uniform(0.85, 1.15)
        band = Slab(normal, height, half)
        regions += [Region(mu, (outer, bony, band)), Region(-mu, (inner, bony, band))]
    return regions


def vertebrae(scale: Floats, *, curvature_mm: float, mu: float) -> Swarm:
    """The bodies of the spine in an S-curve that leaves the midline by `curvature_mm`."""
    z = np.arange(-230.0, 260.0, 23.0)
    x = curvature_mm * np.sin(z / 90)
    centre_S3 = scale * np.stack([x, np.full_like(z, 56), z], axis=1)
    to_unit = np.diag(1 / (scale * (19, 17, 9.5)))
    return Swarm(centre_S3, np.tile(to_unit, (len(z), 1, 1)), np.full(len(z), mu))


def shoulder_bones(scale: Floats, rng: np.random.Generator, *, mu: float) -> Swarm:
    """Clavicles, shoulder blades and the heads of the arms, right and left."""
    side = np.array([-1.0, 1.0])
    rise, blade = rng.normal(0.18, 0.07), rng.normal(142, 9)
    clavicle_S3 = np.stack([side * 0.95, np.full(2, 0.3), np.full(2, rise)], axis=1)
    blade_S3 = np.stack([side * 0.25, np.full(2, 0.2), np.full(2, 0.95)], axis=1)
    arm_S3 = np.tile([0.0, 0, 1], (2, 1))
    axis_S3 = np.concatenate([clavicle_S3, blade_S3, arm_S3])
    centre_S3 = np.concatenate(
        [
            np.stack([side * 84, np.full(2, -48), np.full(2, 122)], axis=1),
            np.stack([side * blade, np.full(2, 82), np.full(2, 60)], axis=1),
            np.stack([side * 178, np.full(2, 10), np.full(2, 122)], axis=1),
        ]
    )
    return spheroids(
        centre_S3=scale * centre_S3,
        axis_S3=axis_S3 / np.linalg.norm(axis_S3, axis=1, keepdims=True),
        along_S=np.repeat([72.0, 68, 34], 2),
        across_S=np.repeat([7.0, 15, 24], 2),
        mu_S=mu * np.repeat([1.3, 0.35, 0.6], 2),
    )
