"""Noise from a fixed pool of normal numbers, of which each image gets a window.

Each function changes normalised views in place, and does nothing to those whose deviation is 0.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from medtrimix.augment.intensity import black, per_channel
from medtrimix.augment.options import Normalisation
from medtrimix.augment.parameters import AugmentParameters

_POOL = 2**20
_POOL_SEED = 20_220_613


def add_noise(view_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> None:
    """Adds `noise_std` times a normal number to each grey value (0 to 1)."""
    scale = _per_image(parameters.noise_std_B, like=view_BCHW) / per_channel(normalisation.std, like=view_BCHW)
    view_BCHW.addcmul_(_window(view_BCHW, parameters.noise_place_B), scale)


def add_speckle(view_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> None:
    """Adds `speckle_std` times a normal number times the grey value to each grey value (0 to 1)."""
    factor = _window(view_BCHW, parameters.noise_place_B).mul_(_per_image(parameters.speckle_std_B, like=view_BCHW))
    view_BCHW.addcmul_(factor, view_BCHW - black(normalisation, like=view_BCHW))


def take_magnitude(view_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> None:
    """Gives each grey value v an imaginary part, `quadrature_std` times a normal number, and takes the magnitude.

    After `add_noise` of the same deviation s that is sqrt((v + s n)^2 + (s m)^2), which has a Rician distribution
    (Gudbjartsson and Patz, "The Rician distribution of noisy MRI data", 1995, eq. 1).
    """
    chosen_b = parameters.quadrature_std_B.nonzero().flatten()
    zero, real = black(normalisation, like=view_BCHW), view_BCHW[chosen_b]
    scale = _per_image(parameters.quadrature_std_B[chosen_b], like=view_BCHW)
    imaginary = _window(real, parameters.quadrature_place_B[chosen_b])
    imaginary.mul_(scale / per_channel(normalisation.std, like=view_BCHW))
    magnitude = real.sub_(zero).square_().addcmul_(imaginary, imaginary).sqrt_().add_(zero)
    view_BCHW.index_copy_(0, chosen_b, magnitude)


def _window(view_BCHW: Tensor, place_B: Tensor) -> Tensor:
    """A normal number for each pixel: those at the image's place in the pool."""
    size = view_BCHW.shape[1:].numel()
    windows = _pool(max(_POOL, 2 * size), view_BCHW.device).unfold(0, size, 1)
    start_B = (place_B * len(windows)).long().clamp_max(len(windows) - 1)
    return windows.index_select(0, start_B).view(view_BCHW.shape)


def _per_image(value_B: Tensor, *, like: Tensor) -> Tensor:
    return value_B.view(-1, *[1] * (like.ndim - 1))


@cache
def _pool(length: int, device: torch.device) -> Tensor:
    return torch.randn(length, generator=torch.Generator().manual_seed(_POOL_SEED)).to(device)
