"""Geometry: crop, stretch, flip and rotation as one resampling of the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from medtrimix.augment.parameters import AugmentParameters

_PLANES = ((0, 1), (0, 2), (1, 2))
"""The axes of each rotation, turned from the first towards the second, in the order in which they are applied."""


def resample(image_BCHW: Tensor, parameters: AugmentParameters) -> Tensor:
    """Each crop, turned about its centre and brought to the size of the image; bilinear, in volumes trilinear.

    What lies outside the image is mirrored at its edge: black corners would tell the network the angle.
    """
    grid_BHWA = sampling_grid(parameters, sizes=tuple(image_BCHW.shape[:1:-1]))
    if image_BCHW.ndim == 4:
        return grid_sample(image_BCHW, grid_BHWA, mode="bilinear", padding_mode="reflection", align_corners=False)
    # In volumes torch mirrors positions one at a time, which takes longer than the sampling; so they come mirrored.
    return grid_sample(image_BCHW, _mirrored(grid_BHWA), mode="bilinear", padding_mode="border", align_corners=False)


def sampling_grid(parameters: AugmentParameters, *, sizes: tuple[int, ...]) -> Tensor:
    """Where each output pixel is read, shape (B, H, W, 2) or (B, D, H, W, 3), x first, for `align_corners=False`.

    The map is separable, position = x * column + (y * row + (z * slice + centre)), so broadcasting builds it 3 to 10
    times as fast as the matrix product inside `affine_grid`, which takes longer than the sampling itself.

    Args:
        parameters: of the batch.
        sizes: pixels along x, y and, of volumes, z.
    """
    step_BAA = _steps(parameters, sizes=sizes)
    *inner, outermost = [_pixel_centres(size, like=step_BAA) for size in sizes]
    grid_BHWA = torch.empty(len(step_BAA), *sizes[::-1], len(sizes), device=step_BAA.device)
    for axis in range(len(sizes)):
        *by_inner, by_outermost = step_BAA[:, axis].unbind(dim=1)
        place = by_outermost[:, None] * outermost + parameters.center_BA[:, axis, None]
        for by, centres in zip(by_inner[:0:-1], inner[:0:-1], strict=True):
            place = place[..., None] + (by[:, None] * centres)[:, None, :]
        along_x_BW = by_inner[0][:, None] * inner[0]
        torch.add(along_x_BW.view(-1, *[1] * (len(sizes) - 1), sizes[0]), place[..., None], out=grid_BHWA[..., axis])
    return grid_BHWA


def _steps(parameters: AugmentParameters, *, sizes: tuple[int, ...]) -> Tensor:
    """How far position a moves with output coordinate b, (B, a, b): crop, then rotation."""
    turn_BAA = _rotation(parameters.angle_BT, axes=len(sizes)) * parameters.half_size_BA[:, None, :]
    for first, second in _PLANES[: parameters.angle_BT.shape[1]]:
        aspect = sizes[first] / sizes[second]  # a rotation keeps lengths in pixels, not in units of the image's sides
        turn_BAA[:, first, second] /= aspect
        turn_BAA[:, second, first] *= aspect
    return turn_BAA


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


def _mirrored(grid: Tensor) -> Tensor:
    """Positions brought to -1 to 1 by reflection at both ends, in place; those inside move by rounding at most."""
    return grid.add_(3).remainder_(4).sub_(2).abs_().sub_(1)


def _pixel_centres(count: int, *, like: Tensor) -> Tensor:
    return (2 * torch.arange(count, device=like.device, dtype=like.dtype) + 1) / count - 1
