"""Geometry of pictures: crop, stretch, flip and rotation as one resampling of the batch."""

from __future__ import annotations

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


def resample(image_BCHW: Tensor, map_B23: Tensor) -> Tensor:
    """Pictures seen through their maps, at their own size; bilinear.

    What lies outside the picture is mirrored at its edge: black corners would tell the network the angle.
    """
    grid_BHW2 = _sampling_grid(map_B23, width=image_BCHW.shape[3], height=image_BCHW.shape[2])
    return grid_sample(image_BCHW, grid_BHW2, mode="bilinear", padding_mode="reflection", align_corners=False)


def _sampling_grid(map_B23: Tensor, *, width: int, height: int) -> Tensor:
    """Where each output pixel is read, x first, for `align_corners=False`.

    The map is separable, position = x * column + (y * row + centre), so broadcasting builds the grid many times as fast
    as the matrix product inside `affine_grid`, which takes longer than the sampling itself. As complex numbers x and y
    are one addition.
    """
    along_x_BW2 = map_B23[:, None, :, 0] * pixel_centres(width, like=map_B23)[:, None]
    along_y_BH2 = map_B23[:, None, :, 1] * pixel_centres(height, like=map_B23)[:, None] + map_B23[:, None, :, 2]
    along_x_BW, along_y_BH = (torch.view_as_complex(along.contiguous()) for along in (along_x_BW2, along_y_BH2))
    return torch.view_as_real(along_x_BW[:, None, :] + along_y_BH[:, :, None])


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
