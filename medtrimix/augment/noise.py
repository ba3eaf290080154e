"""Noise from a fixed pool of normal numbers, of which each image gets a window.

Each function changes normalised views in place, and does nothing to those whose deviation is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from medtrimix.augment.intensity import black, per_channel
from medtrimix.augment.options import Normalisation
from medtrimix.augment.parameters import AugmentParameters

_POOL = 2**20
_POOL_SEED = 20_220_613
_LARGE = 2**15
"""Pixels from which a CPU adds noise image by image, straight from the pool, for a call is soon worth a copy."""


class Noise(NamedTuple):
    """Added noise of views.

    Attributes:
        start_B: where each view's window begins in the pool.
        scale_BC11: deviation in each channel's normalised values.
    """

    start_B: Tensor
    scale_BC11: Tensor

    def split(self, sizes: list[int]) -> list[Noise]:
        """The same in pieces of so many views."""
        pieces = zip(torch.split(self.start_B, sizes), torch.split(self.scale_BC11, sizes), strict=True)
        return [Noise(start_B, scale_BC11) for start_B, scale_BC11 in pieces]

    def write_sum(self, view_BCHW: Tensor, *, out: Tensor) -> None:
        """Views and their noise added up."""
        if view_BCHW.is_cuda or view_BCHW.shape[1:].numel() < _LARGE:
            torch.addcmul(view_BCHW, _windows(view_BCHW, self.start_B), self.scale_BC11, out=out)
            return
        pool, size = _pool_for(view_BCHW), view_BCHW.shape[2:].numel()
        planes = zip(view_BCHW.flatten(0, 1), out.flatten(0, 1), self._planes(size), strict=True)
        for view_HW, sum_HW, (start, scale) in planes:
            torch.add(view_HW, pool[start : start + size].view(view_HW.shape), alpha=scale, out=sum_HW)

    def _planes(self, size: int) -> Iterator[tuple[int, float]]:
        """Beginning and deviation of the noise of each channel of each view."""
        for start, scale_C in zip(self.start_B.tolist(), self.scale_BC11.flatten(1).tolist(), strict=True):
            yield from ((start + channel * size, scale) for channel, scale in enumerate(scale_C))


def noise_of(parameters: AugmentParameters, *, like: Tensor, normalisation: Normalisation) -> Noise:
    """`noise_std` times a normal number for each grey value (0 to 1) of such views."""
    scale = _per_image(parameters.noise_std_B, like=like) / per_channel(normalisation.std, like=like)
    return Noise(_starts(like, parameters.noise_place_B), scale)


def add_noise(view_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> None:
    """Adds `noise_std` times a normal number to each grey value (0 to 1)."""
    noise_of(parameters, like=view_BCHW, normalisation=normalisation).write_sum(view_BCHW, out=view_BCHW)


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
    """A normal number for each pixel: those at the image's place, 0 to 1, in the pool."""
    return _windows(view_BCHW, _starts(view_BCHW, place_B))


def _windows(view_BCHW: Tensor, start_B: Tensor) -> Tensor:
    size = view_BCHW.shape[1:].numel()
    return _pool_for(view_BCHW).unfold(0, size, 1).index_select(0, start_B).view(view_BCHW.shape)


def _starts(view_BCHW: Tensor, place_B: Tensor) -> Tensor:
    """Where the windows at these places begin in the pool."""
    windows = len(_pool_for(view_BCHW)) - view_BCHW.shape[1:].numel() + 1
    return (place_B * windows).long().clamp_max(windows - 1)


def _pool_for(view_BCHW: Tensor) -> Tensor:
    return _pool(max(_POOL, 2 * view_BCHW.shape[1:].numel()), view_BCHW.device)


def _per_image(value_B: Tensor, *, like: Tensor) -> Tensor:
    return value_B.view(-1, *[1] * (like.ndim - 1))


@cache
def _pool(length: int, device: torch.device) -> Tensor:
    return torch.randn(length, generator=torch.Generator().manual_seed(_POOL_SEED)).to(device)
