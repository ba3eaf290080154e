"""Convex solids and the straight rays that cross them.

Everything in the phantom is a signed sum of convex regions. A ray meets a convex region in one interval, and the
interval in an intersection of solids is the intersection of their intervals, so every line integral is exact: no
voxels, no step size.

Coordinates are millimetres in the patient: x to the left, y to the back, z to the head (DICOM's LPS).
Shape suffixes besides the package's: `P` rays or points, `S` solids, `3` coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Interval = tuple[Floats, Floats]
"""Where rays enter and leave, `(P,)` each, in mm from the source; leaving before entering means that nothing is met."""


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """The points with `|to_unit @ (point - centre)| <= 1`; `centre` is `(3,)`, `to_unit` `(3, 3)` in 1/mm."""

    centre: Floats
    to_unit: Floats

    def interval(self, source: Floats, direction_P3: Floats) -> Interval:
        """Roots of `|to_unit @ (source + t * direction - centre)|^2 = 1` (a quadratic in t)."""
        start = self.to_unit @ (source - self.centre)
        step_P3 = direction_P3 @ self.to_unit.T
        a, b = np.einsum("pi,pi->p", step_P3, step_P3), step_P3 @ start
        discriminant = b * b - a * (start @ start - 1)
        half = np.sqrt(np.maximum(discriminant, 0)) / a
        middle = -b / a
        return middle - half, middle + half

    def contains(self, point_P3: Floats) -> npt.NDArray[np.bool_]:
        """Whether each point lies inside, `(P,)`."""
        inside: npt.NDArray[np.bool_] = (((point_P3 - self.centre) @ self.to_unit.T) ** 2).sum(axis=1) <= 1
        return inside


@dataclass(frozen=True, eq=False)
class Slab:
    """The points between two parallel planes, `|normal @ point - middle| <= half`; `normal` is a unit vector."""

    normal: Floats
    middle: float
    half: float

    def interval(self, source: Floats, direction_P3: Floats) -> Interval:
        """From one plane to the other."""
        slope = direction_P3 @ self.normal
        slope[slope == 0] = 1e-200  # a parallel ray: both planes are out of reach, on two sides of it or on one
        middle = (self.middle - source @ self.normal) / slope
        half = self.half / np.abs(slope)
        return middle - half, middle + half

    def contains(self, point_P3: Floats) -> npt.NDArray[np.bool_]:
        """Whether each point lies inside, `(P,)`."""
        inside: npt.NDArray[np.bool_] = np.abs(point_P3 @ self.normal - self.middle) <= self.half
        return inside


Solid = Ellipsoid | Slab


@dataclass(frozen=True, eq=False)
class Region:
    """An intersection of solids that adds `mu` (1/mm; negative takes away) to what is there already."""

    mu: float
    solids: tuple[Solid, ...]


def ellipsoid(
    centre: Sequence[float] | Floats, radii: Sequence[float] | Floats, turn: Floats | None = None
) -> Ellipsoid:
    """An ellipsoid with semi-axes `radii` (mm), turned about its centre by the rotation matrix `turn`."""
    axes = np.eye(3) if turn is None else turn
    return Ellipsoid(np.asarray(centre, dtype=np.float64), (axes / np.asarray(radii, dtype=np.float64)).T)


def rotation(x_deg: float = 0, y_deg: float = 0, z_deg: float = 0) -> Floats:
    """The rotation matrix about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = (f(np.radians([x_deg, y_deg, z_deg])) for f in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turn: Floats = about_z @ about_y @ about_x
    return turn


def carve(mu: float, *, body: tuple[Solid, ...], cuts: Sequence[Solid]) -> list[Region]:
    """Regions that add `mu` in `body` outside of all `cuts`, by inclusion and exclusion: `2 ** len(cuts)` of them."""
    regions = [Region(mu, body)]
    for cut in cuts:
        regions += [Region(-region.mu, (*region.solids, cut)) for region in regions]
    return regions


def line_integral(regions: Iterable[Region], *, source: Floats, direction_P3: Floats) -> Floats:
    """Integral of the attenuation along rays from `source` with unit directions: `(P,)`, dimensionless."""
    known: dict[tuple[Solid, ...], Interval] = {}

    def meet(solids: tuple[Solid, ...]) -> Interval:
        """The rays' interval in an intersection; what several regions begin with is worked out once."""
        if solids not in known:
            if len(solids) == 1:
                known[solids] = solids[0].interval(source, direction_P3)
            else:
                (enter, leave), (later, sooner) = meet(solids[:-1]), meet(solids[-1:])
                known[solids] = np.maximum(enter, later), np.minimum(leave, sooner)
        return known[solids]

    total = np.zeros(len(direction_P3))
    for region in regions:
        enter, leave = meet(region.solids)
        total += region.mu * np.maximum(leave - enter, 0)
    return total


def attenuation_at(regions: Iterable[Region], point_P3: Floats) -> Floats:
    """Attenuation at points, `(P,)` in 1/mm: the volume whose projections `line_integral` returns."""
    total = np.zeros(len(point_P3))
    for region in regions:
        inside = np.ones(len(point_P3), dtype=bool)
        for solid in region.solids:
            inside &= solid.contains(point_P3)
        total[inside] += region.mu
    return total
