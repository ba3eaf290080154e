"""Geometry: crop, stretch, flip and rotation as one resampling of the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from medtrimix.augment.parameters import AugmentParameters


def resample(image_BCHW: Tensor, parameters: AugmentParameters) -> Tensor:
    """Each image's crop, turned about its centre and brought to the size of the image; bilinear.

    What lies outside the image is mirrored at its edge: black corners would tell the network the angle.
    """
    grid_BHW2 = sampling_grid(parameters, height=image_BCHW.shape[-2], width=image_BCHW.shape[-1])
    return grid_sample(image_BCHW, grid_BHW2, mode="bilinear", padding_mode="reflection", align_corners=False)


def sampling_grid(parameters: AugmentParameters, *, height: int, width: int) -> Tensor:
    """Where each output pixel is read, shape (B, H, W, 2), x before y, for `align_corners=False`.

    The map is separable, position = x * column + (y * row + centre), so broadcasting builds it 3 to 10 times as fast as
    the matrix product inside `affine_grid`, which takes longer than the sampling itself.
    """
    cos_B, sin_B = torch.cos(parameters.angle_B), torch.sin(parameters.angle_B)
    half_x_B, half_y_B = parameters.half_size_B2.unbind(dim=1)
    x_W, y_H = _pixel_centres(width, like=cos_B), _pixel_centres(height, like=cos_B)
    aspect = width / height  # a rotation keeps lengths in pixels, not in units of width and height
    grid_BHW2 = torch.empty(len(cos_B), height, width, 2, device=cos_B.device)
    by_x = (half_x_B * cos_B, half_x_B * sin_B * aspect)
    by_y = (-half_y_B * sin_B / aspect, half_y_B * cos_B)
    for axis in (0, 1):
        along_x_BW = by_x[axis][:, None] * x_W
        along_y_BH = by_y[axis][:, None] * y_H + parameters.center_B2[:, axis, None]
        torch.add(along_x_BW[:, None, :], along_y_BH[:, :, None], out=grid_BHW2[..., axis])
    return grid_BHW2


def _pixel_centres(count: int, *, like: Tensor) -> Tensor:
    return (2 * torch.arange(count, device=like.device, dtype=like.dtype) + 1) / count - 1
