"""Grey values: one table of 256 entries per image does brightness, contrast, gamma and normalisation at once."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from medtrimix.augment.options import Normalisation
from medtrimix.augment.parameters import AugmentParameters


def grey_tables(parameters: AugmentParameters, *, normalisation: Normalisation) -> Tensor:
    """What each stored value becomes in each image, (B, C, 256) float32.

    A value v in 0..1 becomes (v^gamma - 0.5) * contrast + 0.5 + brightness, cut to 0..1, then normalised per channel.
    Before resampling there are only 256 values per image, so the curve is computed for those.
    """
    # A product's exponential is 3 times as fast as a power; black stays exp(-inf).
    curved_B256 = (_log_grey(parameters.gamma_B.device) * parameters.gamma_B[:, None]).exp_()
    offset_B = parameters.brightness_B + 0.5 - 0.5 * parameters.contrast_B
    shown_B256 = torch.addcmul(offset_B[:, None], curved_B256, parameters.contrast_B[:, None], out=curved_B256)
    return _normalised(shown_B256.clamp_(0, 1)[:, None, :], normalisation)


def look_up(image_BCHW: Tensor, table_BC256: Tensor) -> Tensor:
    """The uint8 images with each value replaced from its image's and channel's table, float32, contiguous."""
    return look_up_at(places_in_tables(image_BCHW), table_BC256).view(image_BCHW.shape)


def places_in_tables(image_BCHW: Tensor) -> Tensor:
    """Where each pixel of uint8 images finds its value in all tables one after the other, int32, (B * C * H * W,)."""
    batch, channels = image_BCHW.shape[:2]
    start = 256 * torch.arange(batch * channels, dtype=torch.int32, device=image_BCHW.device)
    return image_BCHW.int().add_(start.view(batch, channels, *[1] * (image_BCHW.ndim - 2))).flatten()


def look_up_at(place: Tensor, table_BC256: Tensor) -> Tensor:
    """The values at these places, float32, (B * C * H * W,)."""
    return table_BC256.flatten().index_select(0, place)


def normalise(image_BCHW: Tensor, *, normalisation: Normalisation) -> Tensor:
    """The uint8 images as a network sees them without augmentation, float32."""
    return _normalised(image_BCHW.float() / 255, normalisation)


def black(normalisation: Normalisation, *, like: Tensor) -> Tensor:
    """Grey value 0 after normalisation, per channel, to be broadcast with images `like` these."""
    return -per_channel(normalisation.mean, like=like) / per_channel(normalisation.std, like=like)


def per_channel(values: tuple[float, ...], *, like: Tensor) -> Tensor:
    """A number for each channel, to be broadcast with images `like` these."""
    return _column(values, like.device).view(-1, *[1] * (like.ndim - 2))


@cache
def _log_grey(device: torch.device) -> Tensor:
    """Logarithms of the 256 grey values, 0 to 1."""
    return torch.log(torch.arange(256, device=device) / 255)


@cache
def _column(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device)


def _normalised(value: Tensor, normalisation: Normalisation) -> Tensor:
    return (value - per_channel(normalisation.mean, like=value)).div_(per_channel(normalisation.std, like=value))
