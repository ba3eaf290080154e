"""Bias field: the smooth shading of an image by coils or gain, a factor for each pixel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medtrimix.augment.intensity import black
from medtrimix.augment.options import Normalisation
from medtrimix.augment.parameters import AugmentParameters


def shade(view_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> None:
    """Multiplies the grey values of normalised views by their field, in place; all channels alike."""
    field_B1HW = bias_field(parameters.bias_BA2, sizes=tuple(view_BCHW.shape[:1:-1]))[:, None]
    torch.lerp(black(normalisation, like=view_BCHW), view_BCHW, field_B1HW, out=view_BCHW)  # black stays black


def bias_field(bias_BA2: Tensor, *, sizes: tuple[int, ...]) -> Tensor:
    """The fields, (B, H, W) or (B, D, H, W).

    Their logarithm is a sum of cosine waves along the axes, with t from 0 to 1: height 0 times cos(pi t) and height 1
    times cos(2 pi t). Its mean over the pixels is exactly 0, since these waves are columns of the DCT-II. So the field
    is a product of one profile per axis, which broadcasting multiplies.

    Args:
        bias_BA2: heights of the waves.
        sizes: pixels along x, y and, of volumes, z.
    """
    field = torch.ones(len(bias_BA2), device=bias_BA2.device)
    for axis in reversed(range(len(sizes))):
        t = (torch.arange(sizes[axis], device=bias_BA2.device) + 0.5) / sizes[axis]
        waves_2S = torch.stack([torch.cos(math.pi * t), torch.cos(2 * math.pi * t)])
        profile_BS = torch.exp(bias_BA2[:, axis] @ waves_2S)
        field = field[..., None] * profile_BS.view(-1, *[1] * (field.ndim - 1), sizes[axis])
    return field
