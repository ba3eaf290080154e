"""Geometry of volumes: as of pictures, trilinear."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from medtrimix.augment.intensity import look_up
from medtrimix.augment.resample import INSIDE, ONCE, mirrored, pixel_centres, reach

_CPU_VOXELS = 2**17
"""Voxels that a CPU samples at a time: the dozen passes over their positions stay in its cache."""

_LARGE = 2**14
"""Voxels from which a CPU looks up volume by volume, straight into their place, for a call is soon worth a copy."""


class VolumeLines(NamedTuple):
    """Where each voxel of a view is read in its volume, as a difference of what columns and lines say; x, y, z.

    x and y are in the units of `grid_sample`, of a tall picture in which all slices but the last stand one above the
    other, y in the first of them; z counts slices. L counts lines of voxels along x.

    Attributes:
        along_x_B31W: what the columns add.
        by_line_B3L1: what the lines take away.
        reach_B3: furthest place along each axis, 1 being the ends of the source.
    """

    along_x_B31W: Tensor
    by_line_B3L1: Tensor
    reach_B3: Tensor

    def split(self, sizes: list[int]) -> list[VolumeLines]:
        """The same in pieces of so many volumes."""
        return [VolumeLines(*piece) for piece in zip(*(torch.split(part, sizes) for part in self), strict=True)]


def volume_lines(map_B34: Tensor, *, sizes: tuple[int, ...]) -> VolumeLines:
    """The lines of maps of volumes with so many voxels along x, y and z."""
    sides = _sides(sizes)
    first_3, last_3 = map_B34.new_tensor([side.ends for side in sides]).unbind(dim=1)
    along_x, along_y, along_z, center = (map_B34 * ((last_3 - first_3) / 2)[:, None]).unsqueeze(-1).unbind(dim=2)
    x, y, z = (pixel_centres(size, like=map_B34) for size in sizes)
    by_slice_B3D = torch.addcmul(center + ((first_3 + last_3) / 2)[:, None], along_z, z)
    by_line_B3L = -(by_slice_B3D[:, :, :, None] + (along_y * y)[:, :, None, :]).flatten(2)
    return VolumeLines((along_x * x)[:, :, None, :], by_line_B3L[:, :, :, None], reach(map_B34))


def resample_volume(image_BCDHW: Tensor, map_B34: Tensor) -> Tensor:
    """Volumes seen through their maps, at their own size; trilinear, mirrored at the edges."""
    view_BCDHW = torch.empty_like(image_BCDHW)
    lines = volume_lines(map_B34, sizes=tuple(image_BCDHW.shape[:1:-1]))
    resample_volume_along(_Source(image_BCDHW, None), lines, out=view_BCDHW)
    return view_BCDHW


def resample_shown_volume(image_BCDHW: Tensor, table_BC256: Tensor, lines: VolumeLines, *, out: Tensor) -> None:
    """The same by the lines of uint8 volumes that are seen through tables; into `out`, which is contiguous."""
    resample_volume_along(_Source(torch.empty_like(out), image_BCDHW, table_BC256), lines, out=out)


def resample_volume_along(source: _Source, lines: VolumeLines, *, out: Tensor) -> None:
    """Writes the views.

    torch samples volumes voxel by voxel, but pictures sixteen pixels at a time. So two neighbouring slices are sampled
    as two channels of one picture, in which all slices stand one above the other, and blended: 3 times as fast.
    """
    batch, channels, depth, height, width = out.shape
    sides, furthest = _sides((width, height, depth)), lines.reach_B3.amax(dim=0).tolist()
    pairs = [_stacked_pairs(volume_BDHW) for volume_BDHW in source.shown_BCDHW.unbind(dim=1)]
    at_once = depth * height if out.is_cuda else max(1, _CPU_VOXELS // (batch * width))
    along_x = lines.along_x_B31W.unbind(dim=1)
    by_lines = [torch.split(by_line_BL1, at_once, 1) for by_line_BL1 in lines.by_line_B3L1.unbind(dim=1)]
    views = [torch.split(view_BLW, at_once, 1) for view_BLW in out.view(batch, channels, -1, width).unbind(dim=1)]
    places = _Places.new(by_lines[0][0], width=width)
    for number in range(len(by_lines[0])):
        if by_lines[0][number].shape[1] != places.x_BLW.shape[1]:  # the last lines
            places = _Places.new(by_lines[0][number], width=width)
        for axis, side in enumerate(sides):
            side.write_places(along_x[axis], by_lines[axis][number], reach=furthest[axis], out=places[axis])
        slice_BLW = places.z_BLW.floor()
        source.show(slice_BLW)
        places.y_BLW.add_(slice_BLW, alpha=2.0 / max(1, depth - 1))
        part_BLW = places.z_BLW.sub_(slice_BLW)
        for pair_B2LW, view_BLW in zip(pairs, views, strict=True):
            both = grid_sample(pair_B2LW, places.grid_BLW2, padding_mode="border", align_corners=False)
            this, following = both.unbind(dim=1)
            torch.lerp(this, following, part_BLW, out=view_BLW[number])


class _Places(NamedTuple):
    """Memory for the positions of some lines; the grid is x and y."""

    x_BLW: Tensor
    y_BLW: Tensor
    z_BLW: Tensor
    grid_BLW2: Tensor

    @classmethod
    def new(cls, by_line_BL1: Tensor, *, width: int) -> _Places:
        """For these lines."""
        place_B3LW = by_line_BL1.new_empty(len(by_line_BL1), 3, by_line_BL1.shape[1], width)
        x_BLW, y_BLW, z_BLW = place_B3LW.unbind(dim=1)
        return cls(x_BLW, y_BLW, z_BLW, place_B3LW[:, :2].permute(0, 2, 3, 1))


class _Source:
    """Volumes whose grey values are looked up slice by slice, when they are needed.

    So they are still in the processor's cache when they are sampled, a quarter faster, and slices that no view needs
    are not looked up.
    """

    def __init__(self, shown_BCDHW: Tensor, stored_BCDHW: Tensor | None, table_BC256: Tensor | None = None) -> None:
        self.shown_BCDHW = shown_BCDHW
        self._stored, self._table = stored_BCDHW, table_BC256
        self._first = self._end = 0  # of the slices that are done

    def show(self, slice_BLW: Tensor) -> None:
        """Looks up these slices and the ones after them."""
        if self._stored is None:
            return
        first, end = 0, self.shown_BCDHW.shape[2]
        if not slice_BLW.is_cuda:  # where asking would mean waiting
            lowest, highest = torch.aminmax(slice_BLW)
            first, end = int(lowest), min(end, int(highest) + 2)
        if self._first == self._end:
            self._first = self._end = first
        self._look_up(first, self._first)
        self._look_up(self._end, end)
        self._first, self._end = min(first, self._first), max(end, self._end)

    def _look_up(self, first: int, end: int) -> None:
        if first >= end:
            return
        assert self._stored is not None
        assert self._table is not None
        stored_BCdHW, shown_BCdHW = self._stored[:, :, first:end], self.shown_BCDHW[:, :, first:end]
        if shown_BCdHW.is_cuda or shown_BCdHW[0, 0].numel() < _LARGE:
            shown_BCdHW.copy_(look_up(stored_BCdHW, self._table))
            return
        volumes = zip(stored_BCdHW.flatten(0, 1), shown_BCdHW.flatten(0, 1), self._table.flatten(0, 1), strict=True)
        for stored_dHW, shown_dHW, table_256 in volumes:
            torch.index_select(table_256, 0, stored_dHW.int().flatten(), out=shown_dHW.view(-1))


class _Side(NamedTuple):
    """An axis of the source.

    Attributes:
        ends: where it begins and ends, in the axis' own unit.
        centres: first and last position that may be read, as a rule those of the outermost voxels.
        safe: reach up to which every position is between the centres.
    """

    ends: tuple[float, float]
    centres: tuple[float, float]
    safe: float

    def write_places(self, along_x_B1W: Tensor, by_line_BL1: Tensor, *, reach: float, out: Tensor) -> None:
        """Positions `along_x - by_line`, mirrored at the ends."""
        if reach <= INSIDE:
            torch.sub(along_x_B1W, by_line_BL1, out=out)
        else:
            torch.sub(by_line_BL1, along_x_B1W, out=out)
            mirrored(out, ends=self.ends, often=reach > ONCE)
        if reach > self.safe:
            out.clamp_(*self.centres)


def _sides(sizes: tuple[int, ...]) -> tuple[_Side, _Side, _Side]:
    """Of x, y and z.

    Beyond the centres of its first and last row a slice would be blended with another one's row, and the last slice has
    no next one. Along x `grid_sample` takes care of it.
    """
    _, height, depth = sizes
    neighbours = max(1, depth - 1)
    row = 2.0 / (neighbours * height)
    return (
        _Side((-1.0, 1.0), (-1.0, 1.0), safe=torch.inf),
        _Side((-1.0, height * row - 1.0), (-1.0 + row / 2, (height - 0.5) * row - 1.0), safe=1 - 1.01 / height),
        _Side((-0.5, depth - 0.5), (0.0, neighbours * (1 - 1e-6)), safe=1 - 1.01 / depth),
    )


def _stacked_pairs(volume_BDHW: Tensor) -> Tensor:
    """(B, 2, (D - 1) * H, W), no copy: each slice and, as a second channel, the next one."""
    batch, depth, height, width = volume_BDHW.shape
    if depth == 1:
        return volume_BDHW.expand(-1, 2, -1, -1)
    shape, offset = (batch, 2, (depth - 1) * height, width), volume_BDHW.storage_offset()
    return volume_BDHW.as_strided(shape, volume_BDHW.stride(), offset)
