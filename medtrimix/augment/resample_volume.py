"""Geometry of volumes: as of pictures, trilinear."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from medtrimix.augment.resample import mirrored, pixel_centres, several_times

_CPU_VOXELS = 2**17
"""Voxels that a CPU samples at a time: the two dozen passes over their positions stay in its cache."""


def resample_volume(image_BCDHW: Tensor, map_B34: Tensor) -> Tensor:
    """Volumes seen through their maps, at their own size; trilinear, mirrored at the edges.

    torch samples volumes voxel by voxel, but pictures eight pixels at a time. So two neighbouring slices are sampled as
    two channels of one picture, in which all slices stand one above the other, and blended: 3 times as fast. L counts
    lines of voxels along x.
    """
    batch, _, depth, height, width = image_BCDHW.shape
    sizes, neighbours = (width, height, depth), max(1, depth - 1)
    row, often = 2.0 / (neighbours * height), several_times(map_B34)
    # Where a side begins and ends: for x and y as the sampling counts, with y in the first slice; z in slices.
    sides = ((-1.0, 1.0), (-1.0, height * row - 1.0), (-0.5, depth - 0.5))
    parts = [_places(map_B34, axis=axis, sizes=sizes, ends=sides[axis]) for axis in range(3)]
    pairs = [_stacked_pairs(volume_BDHW) for volume_BDHW in image_BCDHW.unbind(dim=1)]
    view_BCLW = torch.empty_like(image_BCDHW).flatten(2, 3)
    at_once = depth * height if image_BCDHW.is_cuda else max(1, _CPU_VOXELS // (batch * width))
    for start in range(0, depth * height, at_once):
        here = slice(start, start + at_once)
        x_BLW, y_BLW, z_BLW = (
            mirrored(by_line_BL[:, here, None] + along_x_BW[:, None, :], ends=ends, often=often)
            for (by_line_BL, along_x_BW), ends in zip(parts, sides, strict=True)
        )
        z_BLW.clamp_(0, neighbours * (1 - 1e-6))  # the last slice has no next one
        slice_BLW = z_BLW.floor()
        # Beyond the centres of its first and last row a slice would be blended with another one's row.
        y_BLW.clamp_(sides[1][0] + row / 2, sides[1][1] - row / 2)
        y_BLW.add_(slice_BLW, alpha=height * row)
        grid_BLW2 = torch.view_as_real(torch.complex(x_BLW, y_BLW))
        part_BLW = z_BLW.sub_(slice_BLW)
        for channel, pair_B2LW in enumerate(pairs):
            this, following = grid_sample(pair_B2LW, grid_BLW2, padding_mode="border", align_corners=False).unbind(1)
            torch.lerp(this, following, part_BLW, out=view_BCLW[:, channel, here])
    return view_BCLW.view(image_BCDHW.shape)


def _stacked_pairs(volume_BDHW: Tensor) -> Tensor:
    """(B, 2, (D - 1) * H, W), no copy: each slice and, as a second channel, the next one."""
    batch, depth, height, width = volume_BDHW.shape
    if depth == 1:
        return volume_BDHW.expand(-1, 2, -1, -1)
    shape, offset = (batch, 2, (depth - 1) * height, width), volume_BDHW.storage_offset()
    return volume_BDHW.as_strided(shape, volume_BDHW.stride(), offset)


def _places(map_B34: Tensor, *, axis: int, sizes: tuple[int, ...], ends: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Source positions along an axis that begins and ends there, times -1, as a sum of (B, L) and (B, W)."""
    first, last = ends
    along_x, along_y, along_z, center = (map_B34[:, axis] * ((first - last) / 2)).unsqueeze(-1).unbind(dim=1)
    x, y, z = (pixel_centres(size, like=map_B34) for size in sizes)
    by_slice = along_z * z + (center - (first + last) / 2)
    by_line_BL = (by_slice[:, :, None] + (along_y * y)[:, None, :]).flatten(1)
    return by_line_BL, along_x * x
