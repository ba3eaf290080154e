"""The chest on a regular grid of points, many times as fast as asking point by point.

Shape suffixes besides the package's: `Z Y X` grid points along z, y and x.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.phantom.solids import Floats, Region, Slab, Solid
from medtrimix.phantom.swarm import Swarm

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Grid:
    """Coordinates of the grid's planes in mm, ascending and evenly spaced: `(X,)`, `(Y,)`, `(Z,)`."""

    x: Floats
    y: Floats
    z: Floats

    @property
    def shape(self) -> tuple[int, int, int]:
        """Z, Y, X."""
        return len(self.z), len(self.y), len(self.x)


def attenuation_on(grid: Grid, *, regions: Iterable[Region], swarm: Swarm) -> Singles:
    """Attenuation at the grid's points, `(Z, Y, X)` in 1/mm: what `solids.attenuation_at` returns for them."""
    known: dict[tuple[Solid, ...], npt.NDArray[np.bool_]] = {}

    def inside(solids: tuple[Solid, ...]) -> npt.NDArray[np.bool_]:
        """The points in an intersection; what several regions begin with is worked out once."""
        if solids not in known:
            known[solids] = _inside(solids[0], grid) if len(solids) == 1 else inside(solids[:-1]) & inside(solids[-1:])
        return known[solids]

    total_ZYX = np.zeros(grid.shape, dtype=np.float32)
    for region in regions:
        np.add(total_ZYX, np.float32(region.mu), out=total_ZYX, where=inside(region.solids))
    _add_swarm(total_ZYX, swarm, grid=grid)
    return total_ZYX


def _inside(solid: Solid, grid: Grid) -> npt.NDArray[np.bool_]:
    if isinstance(solid, Slab):
        along_x, along_y, along_z = (n * axis for n, axis in zip(solid.normal, (grid.x, grid.y, grid.z), strict=True))
        plane_YX = (along_y[:, None] + along_x - solid.middle).astype(np.float32)
        inside: npt.NDArray[np.bool_] = np.abs(plane_YX + along_z.astype(np.float32)[:, None, None]) <= solid.half
        return inside
    return _ellipsoid(solid.centre, solid.to_unit, grid=grid)


def _ellipsoid(centre: Floats, to_unit: Floats, *, grid: Grid) -> npt.NDArray[np.bool_]:
    """|to_unit (p - centre)|^2 <= 1, as the quadratic form that it is: constant, linear and square in z."""
    form = to_unit.T @ to_unit
    x, y, z = grid.x - centre[0], (grid.y - centre[1])[:, None], grid.z - centre[2]
    constant_YX = form[0, 0] * x * x + form[1, 1] * y * y + 2 * form[0, 1] * x * y - 1
    linear_YX = 2 * (form[0, 2] * x + form[1, 2] * y)
    value_ZYX = z.astype(np.float32)[:, None, None] * linear_YX.astype(np.float32)
    value_ZYX += constant_YX.astype(np.float32)
    inside: npt.NDArray[np.bool_] = value_ZYX <= (-form[2, 2] * z * z).astype(np.float32)[:, None, None]
    return inside


def _add_swarm(total_ZYX: Singles, swarm: Swarm, *, grid: Grid) -> None:
    """Adds the small solids, each in its own box only."""
    extent_S3 = np.linalg.norm(np.linalg.inv(swarm.to_unit_S33), axis=2)  # half the box around an ellipsoid
    axes = (grid.x, grid.y, grid.z)
    first_S3, last_S3 = (
        np.stack([np.searchsorted(axis, edge_S) for axis, edge_S in zip(axes, edge_S3.T, strict=True)], axis=1)
        for edge_S3 in (swarm.centre_S3 - extent_S3, swarm.centre_S3 + extent_S3)
    )
    for solid in np.flatnonzero((last_S3 > first_S3).all(axis=1)):
        x, y, z = (slice(first, last) for first, last in zip(first_S3[solid], last_S3[solid], strict=True))
        box = Grid(grid.x[x], grid.y[y], grid.z[z])
        inside = _ellipsoid(swarm.centre_S3[solid], swarm.to_unit_S33[solid], grid=box)
        total_ZYX[z, y, x] += np.float32(swarm.mu_S[solid]) * inside
