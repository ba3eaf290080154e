"""Geometry of pictures: crop, stretch, flip and rotation as one resampling of the batch."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from medtrimix.augment.parameters import AugmentParameters

_PLANES = ((0, 1), (0, 2), (1, 2))
"""The axes of each rotation, turned from the first towards the second, in the order in which they are applied."""

INSIDE, ONCE = 1.0, 3.0
"""How far places reach that lie in the source, and that a single reflection brings into it."""


def affine_maps(parameters: AugmentParameters, *, sizes: tuple[int, ...]) -> Tensor:
    """From where in the image each place of the view comes, (B, A, A + 1); places are -1 to 1, x first.

    Position a of a source is the sum over b of [a, b] * place b, plus [a, A]: crop, then rotation about its centre.

    Args:
        parameters: of the batch.
        sizes: pixels along x, y and, of volumes, z.
    """
    step_BAA = _rotation(parameters.angle_BT, axes=len(sizes)) * parameters.half_size_BA[:, None, :]
    if len(set(sizes)) > 1:  # a rotation keeps lengths in pixels, not in units of the image's sides
        size_A = torch.tensor(sizes, dtype=step_BAA.dtype, device=step_BAA.device)
        step_BAA *= size_A / size_A[:, None]
    return torch.cat([step_BAA, parameters.center_BA[:, :, None]], dim=2)


class Lines(NamedTuple):
    """Where each pixel of a view is read in its picture, as a difference of what columns and rows say; x, then y.

    The map is separable, position = x * column + (y * row + centre), so broadcasting builds the grid many times as fast
    as the matrix product inside `affine_grid`, which takes longer than the sampling itself.

    Attributes:
        along_x_B21W: what the columns add.
        along_y_B2H1: what the rows take away.
        furthest: place of any picture; they themselves reach to 1.
    """

    along_x_B21W: Tensor
    along_y_B2H1: Tensor
    furthest: float


def resample(image_BCHW: Tensor, map_B23: Tensor) -> Tensor:
    """Pictures seen through their maps, at their own size; bilinear.

    What lies outside the picture is mirrored at its edge: black corners would tell the network the angle.
    """
    height, width = image_BCHW.shape[2:]
    (lines,) = sampling_lines(map_B23, width=width, height=height, sizes=[len(image_BCHW)])
    return resample_along(image_BCHW, lines)


def sampling_lines(map_B23: Tensor, *, width: int, height: int, sizes: list[int]) -> list[Lines]:
    """The lines of maps, in pieces of so many pictures."""
    along_x_B21W = map_B23[:, :, None, :1] * pixel_centres(width, like=map_B23)
    along_y_B2H1 = -torch.addcmul(map_B23[:, :, 2:], map_B23[:, :, 1:2], pixel_centres(height, like=map_B23))
    reach_B = reach(map_B23).amax(dim=1).tolist()
    furthest = [max(reach_B[end - size : end]) for size, end in zip(sizes, accumulate(sizes), strict=True)]
    pieces = zip(torch.split(along_x_B21W, sizes), torch.split(along_y_B2H1[..., None], sizes), furthest, strict=True)
    return [Lines(along_x_B21W, along_y_B2H1, far) for along_x_B21W, along_y_B2H1, far in pieces]


def resample_along(image_BCHW: Tensor, lines: Lines) -> Tensor:
    """As `resample`, by the lines of these pictures.

    x and y lie in planes of their own, which `grid_sample` reads a tenth faster than pairs.
    """
    if lines.furthest <= INSIDE:
        place_B2HW = lines.along_x_B21W - lines.along_y_B2H1
    else:
        negative_B2HW = lines.along_y_B2H1 - lines.along_x_B21W
        place_B2HW = mirrored(negative_B2HW, ends=(-1.0, 1.0), often=lines.furthest > ONCE)
    return grid_sample(image_BCHW, place_B2HW.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def reach(map_BAQ: Tensor) -> Tensor:
    """How far out the places that maps lead to lie at most, along each axis, (B, A)."""
    return map_BAQ.abs().sum(dim=2)


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
    return _pixel_centres(count, like.device, like.dtype)


@cache
def _pixel_centres(count: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return (2 * torch.arange(count, device=device, dtype=dtype) + 1) / count - 1


def _rotation(angle_BT: Tensor, *, axes: int) -> Tensor:
    """Rotation matrices, (B, A, A)."""
    cos_BT, sin_BT = torch.cos(angle_BT), torch.sin(angle_BT)
    cos_B, sin_B = cos_BT[:, 0], sin_BT[:, 0]
    turn_B22 = torch.stack([cos_B, -sin_B, sin_B, cos_B], dim=1).view(-1, 2, 2)
    if axes == 2:
        return turn_B22
    turned_BAA = torch.zeros(len(angle_BT), axes, axes, device=angle_BT.device)
    turned_BAA[:, :2, :2], turned_BAA[:, 2, 2] = turn_B22, 1.0
    for turn, (first, second) in enumerate(_PLANES[1:], start=1):
        cos_B1, sin_B1 = cos_BT[:, turn, None], sin_BT[:, turn, None]
        one_BA, other_BA = turned_BAA[:, first], turned_BAA[:, second]
        turned_BAA[:, first], turned_BAA[:, second] = (
            cos_B1 * one_BA - sin_B1 * other_BA,
            sin_B1 * one_BA + cos_B1 * other_BA,
        )
    return turned_BAA
