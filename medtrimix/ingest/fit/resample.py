"""Volumes of any size to grids of any spacing, on one core and in little memory.

The kernel is Pillow's BILINEAR, axis by axis, as in `fit`: a triangle that widens with the step, so a smaller volume is
an average over all voxels below, and that never overshoots. The source comes in slabs of a few slices, and each is
added to the few slices of the result that it lies under: nothing of the source's size is ever made in floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Places along one axis of the result, measured in voxels of the source from the outer edge of its first voxel.

    Attributes:
        start: edge of the first place.
        step: width of a place.
        count: number of places; their centres must lie on the source.
    """

    start: float
    step: float
    count: int


def weights(grid: Grid, *, length: int) -> Floats:
    """`(grid.count, length)`, rows of sum 1: the share of each source voxel in each place."""
    centers = grid.start + grid.step * (np.arange(grid.count) + 0.5)
    distances = np.abs(np.arange(length) + 0.5 - centers[:, None]) / max(1.0, grid.step)
    shares = np.maximum(0, 1 - distances)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


def resampled(slabs: Iterable[Floats], *, lengths: Sequence[int], grids: tuple[Grid, Grid, Grid]) -> Floats:
    """`(C, *counts of grids)` from a volume in slabs `(C, d, H, W)`; lengths and grids are those of D, H and W."""
    across, down, along = (weights(grid, length=length) for grid, length in zip(grids, lengths, strict=True))
    rows_first = len(down) / lengths[1] < len(along) / lengths[2]  # what leaves fewer voxels for the other
    result: Floats | None = None
    position = 0
    for slab in slabs:
        small: Floats = np.matmul(down, slab) if rows_first else np.matmul(slab, along.T)
        small = np.matmul(small, along.T) if rows_first else np.matmul(down, small)
        if result is None:
            result = np.zeros((len(across), len(small), len(down), len(along)), np.float32)
        shares = across[:, position : position + small.shape[1]]
        places = np.flatnonzero(shares.any(axis=1))
        result[places] += np.tensordot(shares[places], small, axes=(1, 1))
        position += small.shape[1]
    assert result is not None, "a volume has slices"
    return result.swapaxes(0, 1)
