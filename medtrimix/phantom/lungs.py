"""What is inside the lungs: vessels, uneven aeration, and sometimes an opacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.phantom.solids import Ellipsoid, Floats, Solid
from medtrimix.phantom.swarm import Swarm, spheroids, together

_ROOTS, _GENERATIONS = 9, 5
_CANDIDATES = 16
_MURRAY = 2 ** (-1 / 3)
"""Radius of a daughter vessel over that of its parent (Murray, PNAS 1926: the cubes of the radii add up)."""


@dataclass(frozen=True, eq=False)
class Lung:
    """One lung: the points in all of `body` and in none of `cuts`.

    Attributes:
        outline: the ellipsoid that the lung fills most of.
        body: solids that bound it from outside.
        cuts: solids that press into it (heart, mediastinum, diaphragm).
        hilum: where the vessels come in, `(3,)` mm.
        gap: attenuation of water minus that of this lung, 1/mm.
    """

    outline: Ellipsoid
    body: tuple[Solid, ...]
    cuts: tuple[Solid, ...]
    hilum: Floats
    gap: float

    def contains(self, point_P3: Floats) -> npt.NDArray[np.bool_]:
        """Whether each point is aerated lung, `(P,)`."""
        inside = np.ones(len(point_P3), dtype=bool)
        for solid in self.body:
            inside &= solid.contains(point_P3)
        for cut in self.cuts:
            inside &= ~cut.contains(point_P3)
        return inside

    def points(self, rng: np.random.Generator, *, count: int) -> Floats:
        """`count` points, uniform in the lung, `(count, 3)` mm.

        Each is the first of its own 16 candidates in the outline that lies in the lung, so that a deeper breath, which
        moves the lung's border, moves no other point. Where none does (about twice in 10,000) it is the hilum.
        """
        unit_S3 = rng.normal(size=(count * _CANDIDATES, 3))
        unit_S3 *= (rng.random(len(unit_S3)) ** (1 / 3) / np.linalg.norm(unit_S3, axis=1))[:, None]
        candidate_S3 = self.outline.centre + unit_S3 @ np.linalg.inv(self.outline.to_unit).T
        inside = self.contains(candidate_S3).reshape(count, _CANDIDATES)
        chosen = np.arange(count), inside.argmax(axis=1)
        point_S3: Floats = candidate_S3.reshape(count, _CANDIDATES, 3)[chosen]
        point_S3[~inside[chosen]] = self.hilum
        return point_S3


def vessel_tree(lung: Lung, rng: np.random.Generator, *, calibre_mm: float) -> Swarm:
    """Branching vessels from the hilum, water in air, at most `calibre_mm` in radius; those that leave the lung end."""
    outward = np.sign(lung.hilum[0])
    direction_S3 = rng.normal(size=(_ROOTS, 3)) * [0.5, 0.6, 0.9] + [0.9 * outward, 0.1, -0.2]
    direction_S3 /= np.linalg.norm(direction_S3, axis=1, keepdims=True)
    start_S3 = np.tile(lung.hilum, (_ROOTS, 1)) + rng.normal(size=(_ROOTS, 3)) * 5
    length, radius = 40.0, calibre_mm
    tree = []
    for _ in range(_GENERATIONS):
        length_S = length * rng.uniform(0.7, 1.3, size=len(start_S3))
        end_S3 = start_S3 + length_S[:, None] * direction_S3
        radius_S = radius * rng.uniform(0.8, 1.1, size=len(start_S3))
        branch = spheroids(
            centre_S3=(start_S3 + end_S3) / 2,
            axis_S3=direction_S3,
            along_S=0.6 * length_S,  # a little overlap, so that segments join
            across_S=radius_S,
            mu_S=np.full(len(start_S3), lung.gap),
        )
        tree.append(branch.chosen(lung.contains(branch.centre_S3) & lung.contains(end_S3)))
        start_S3, direction_S3 = np.repeat(end_S3, 2, axis=0), np.repeat(direction_S3, 2, axis=0)
        direction_S3 = direction_S3 + rng.normal(size=direction_S3.shape) * 0.45
        direction_S3 /= np.linalg.norm(direction_S3, axis=1, keepdims=True)
        length, radius = length * 0.75, radius * _MURRAY
    return together(tree)


def uneven_aeration(lung: Lung, rng: np.random.Generator, *, amount: float, count: int = 24) -> Swarm:
    """Soft patches of more and less air with no meaning; `amount` is the spread in units of the lung's `gap`."""
    return Swarm(
        lung.points(rng, count=count),
        np.eye(3) / rng.uniform(10, 28, size=(count, 1, 1)),
        rng.normal(size=count) * amount * lung.gap,
    )


def opacity(lung: Lung, rng: np.random.Generator, *, radius_mm: float, density: float, lobules: int = 7) -> Swarm:
    """A patch of lung that has lost air: overlapping lobules around one centre.

    What reaches beyond the lung adds to the tissue there, like a thickened pleura.

    Args:
        lung: where it lies; every centre of a lobule is in this lung.
        rng: decides place and form.
        radius_mm: distance from the centre that the lobules reach.
        density: attenuation in the middle, where about half of the lobules overlap: 0 = this lung, 1 = water.
        lobules: how many.
    """
    centre = lung.points(rng, count=1)
    offset_S3 = rng.normal(size=(lobules, 3)) * 0.35 * radius_mm
    centre_S3 = centre + offset_S3
    inside_S = lung.contains(centre_S3)
    centre_S3 = np.where(inside_S[:, None], centre_S3, centre)
    extent_S3 = radius_mm * rng.uniform(0.4, 0.8, size=(lobules, 3))
    return Swarm(centre_S3, np.eye(3) / extent_S3[:, :, None], np.full(lobules, 2 * density / lobules * lung.gap))
