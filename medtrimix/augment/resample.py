"""Geometry of pictures: crop, stretch, flip and rotation as one resampling of the batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from medtrimix.augment.parameters import AugmentParameters

_PLANES = ((0, 1), (0, 2), (1, 2))
"""The axes of each rotation, turned from the first towards the second, in the order in which they are applied."""


def affine_maps(parameters: AugmentParameters, *, sizes: tuple[int, ...]) -> Tensor:
    """From where in the image each place of the view comes, (B, A, A + 1); places are -1 to 1, x first.

    Position a of a source is the sum over b of [a, b] * place b, plus [a, A]: crop, then rotation about its centre.

    Args:
        parameters: of the batch.
        sizes: pixels along x, y and, of volumes, z.
    """
    step_BAA = _rotation(parameters.angle_BT, axes=len(sizes)) * parameters.half_size_BA[:, None, :]
    for first, second in _PLANES[: parameters.angle_BT.shape[1]]:
        aspect = sizes[first] / sizes[second]  # a rotation keeps lengths in pixels, not in units of the image's sides
        step_BAA[:, first, second] /= aspect
        step_BAA[:, second, first] *= aspect
    return torch.cat([step_BAA, parameters.center_BA[:, :, None]], dim=2)


class Lines(NamedTuple):
    """Where each pixel of a view is read in its picture, times -1, as a sum; complex, x + iy.

    Attributes:
        along_x_B1W: what the columns add.
        along_y_BH1: what the rows add.
        often: whether some places need more than one reflection.
    """

    along_x_B1W: Tensor
    along_y_BH1: Tensor
    often: bool

    def split(self, size: int) -> list[Lines]:
        """The same in pieces of `size` pictures."""
        pieces = zip(torch.split(self.along_x_B1W, size), torch.split(self.along_y_BH1, size), strict=True)
        return [Lines(along_x_B1W, along_y_BH1, self.often) for along_x_B1W, along_y_BH1 in pieces]


def resample(image_BCHW: Tensor, map_B23: Tensor) -> Tensor:
    """Pictures seen through their maps, at their own size; bilinear.

    What lies outside the picture is mirrored at its edge: black corners would tell the network the angle.
    """
    return resample_along(image_BCHW, sampling_lines(map_B23, width=image_BCHW.shape[3], height=image_BCHW.shape[2]))


def sampling_lines(map_B23: Tensor, *, width: int, height: int) -> Lines:
    """The lines of maps.

    The map is separable, position = x * column + (y * row + centre), so broadcasting builds the grid many times as fast
    as the matrix product inside `affine_grid`, which takes longer than the sampling itself. As complex numbers x and y
    are one addition.
    """
    along_x_BW2 = map_B23[:, None, :, 0] * -pixel_centres(width, like=map_B23)[:, None]
    along_y_BH2 = map_B23[:, None, :, 1] * -pixel_centres(height, like=map_B23)[:, None] - map_B23[:, None, :, 2]
    along_x_BW, along_y_BH = (torch.view_as_complex(along.contiguous()) for along in (along_x_BW2, along_y_BH2))
    return Lines(along_x_BW[:, None, :], along_y_BH[:, :, None], several_times(map_B23))


def resample_along(image_BCHW: Tensor, lines: Lines) -> Tensor:
    """As `resample`, by the lines of these pictures."""
    grid_BHW2 = torch.view_as_real(lines.along_x_B1W + lines.along_y_BH1)
    grid_BHW2 = mirrored(grid_BHW2, ends=(-1.0, 1.0), often=lines.often)
    return grid_sample(image_BCHW, grid_BHW2, mode="bilinear", padding_mode="border", align_corners=False)


def several_times(map_BAQ: Tensor) -> bool:
    """Whether some places lie so far outside of -1 to 1 that one reflection does not bring them in."""
    return bool(map_BAQ.abs().sum(dim=2).max() > 3)


def mirrored(negative: Tensor, *, ends: tuple[float, float], often: bool) -> Tensor:
    """Positions brought between the ends of a side by reflection, of positions times -1 (their buffer is used up).

    2 * clamp(p) - p mirrors p once and leaves what is inside as it is, bit by bit: two passes, a third of the time that
    `grid_sample` takes to do the same.

    Args:
        negative: positions times -1.
        ends: of the side, whose reflections at both ends repeat with twice its length.
        often: whether some positions need more than one reflection.
    """
    low, high = -ends[1], -ends[0]
    if often:
        period, middle = 2 * (high - low), (low + high) / 2
        negative.sub_(((negative - middle) / period).round_(), alpha=period)
    return torch.sub(negative, negative.clamp(low, high), alpha=2, out=negative)


def pixel_centres(count: int, *, like: Tensor) -> Tensor:
    """Places of the pixels' centres along a side of so many, -1 to 1 being its ends."""
    return (2 * torch.arange(count, device=like.device, dtype=like.dtype) + 1) / count - 1


def _rotation(angle_BT: Tensor, *, axes: int) -> Tensor:
    """Rotation matrices, (B, A, A)."""
    turned_BAA = torch.eye(axes, device=angle_BT.device).expand(len(angle_BT), axes, axes)
    for (first, second), angle_B in zip(_PLANES, angle_BT.unbind(dim=1), strict=False):
        turn_BAA = torch.eye(axes, device=angle_BT.device).repeat(len(angle_BT), 1, 1)
        turn_BAA[:, first, first] = turn_BAA[:, second, second] = torch.cos(angle_B)
        turn_BAA[:, second, first] = torch.sin(angle_B)
        turn_BAA[:, first, second] = -turn_BAA[:, second, first]
        turned_BAA = turn_BAA @ turned_BAA
    return turned_BAA
