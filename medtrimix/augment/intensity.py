"""Grey values: one table of 256 entries per image does brightness, contrast, gamma and normalisation at once."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d, pad

from medtrimix.augment.options import Normalisation
from medtrimix.augment.parameters import AugmentParameters

_POOL = 2**20
_POOL_SEED = 20_220_613


def look_up(image_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> Tensor:
    """The uint8 images with their grey values changed and normalised, float32.

    A value v in 0..1 becomes (v^gamma - 0.5) * contrast + 0.5 + brightness, cut to 0..1, then normalised per channel.
    Before resampling there are only 256 values per image, so the curve is computed for those.
    """
    batch, channels = image_BCHW.shape[:2]
    log_256 = torch.log(torch.arange(256, device=image_BCHW.device) / 255)
    curved_B256 = torch.exp(log_256 * parameters.gamma_B[:, None])  # 3 times as fast as a power; black stays exp(-inf)
    shown_B256 = (curved_B256 - 0.5) * parameters.contrast_B[:, None] + 0.5 + parameters.brightness_B[:, None]
    table_BC256 = _normalised(shown_B256.clamp(0, 1)[:, None, :], normalisation, axis=1)
    start = 256 * torch.arange(batch * channels, dtype=torch.int32, device=image_BCHW.device)
    place = image_BCHW + start.view(batch, channels, *[1] * (image_BCHW.ndim - 2))
    return table_BC256.flatten().index_select(0, place.flatten()).view(image_BCHW.shape)


def normalise(image_BCHW: Tensor, *, normalisation: Normalisation) -> Tensor:
    """The uint8 images as a network sees them without augmentation, float32."""
    return _normalised(image_BCHW.float() / 255, normalisation, axis=1)


def add_noise(image_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> Tensor:
    """The normalised images plus Gaussian noise, a window of a fixed pool of normal numbers for each image."""
    size = image_BCHW[0].numel()
    pool = _noise_pool(max(_POOL, 2 * size), image_BCHW.device)
    windows = pool.unfold(0, size, 1)
    start_B = (parameters.noise_place_B * len(windows)).long().clamp_max(len(windows) - 1)
    noise_BCHW = windows.index_select(0, start_B).view(image_BCHW.shape)
    scale_BC = parameters.noise_std_B[:, None] / torch.tensor(normalisation.std, device=image_BCHW.device)
    return torch.addcmul(image_BCHW, noise_BCHW, scale_BC.view(*scale_BC.shape, *[1] * (image_BCHW.ndim - 2)))


def blur(image_BCHW: Tensor, parameters: AugmentParameters) -> Tensor:
    """The images, those with a positive `blur_sigma_B` convolved with that Gaussian; edges are mirrored."""
    chosen_b = parameters.blur_sigma_B.nonzero().flatten()
    if not len(chosen_b):
        return image_BCHW
    sizes = image_BCHW.shape[2:]
    sigma_b = parameters.blur_sigma_B[chosen_b] * max(sizes)
    radius = min(int(torch.ceil(3 * sigma_b.max())), *(size - 1 for size in sizes))
    offset = torch.arange(-radius, radius + 1, device=image_BCHW.device)
    kernel_bk = torch.softmax(-0.5 * (offset / sigma_b[:, None]).square(), dim=1)
    planes = image_BCHW[chosen_b].flatten(0, 1)[None]
    kernel_gk = kernel_bk.repeat_interleave(image_BCHW.shape[1], dim=0)
    planes = pad(planes, (radius, radius) * len(sizes), mode="reflect")
    convolve = conv2d if len(sizes) == 2 else conv3d
    for axis in range(len(sizes), 0, -1):  # a Gaussian is separable
        along = [-1 if dim == axis else 1 for dim in range(1 + len(sizes))]
        planes = convolve(planes, kernel_gk.view(len(kernel_gk), *along), groups=len(kernel_gk))
    return image_BCHW.index_copy(0, chosen_b, planes.view(len(chosen_b), *image_BCHW.shape[1:]))


def _normalised(value: Tensor, normalisation: Normalisation, *, axis: int) -> Tensor:
    shape = [-1 if dim == axis else 1 for dim in range(value.ndim)]
    mean = torch.tensor(normalisation.mean, device=value.device).view(shape)
    std = torch.tensor(normalisation.std, device=value.device).view(shape)
    return (value - mean) / std


@cache
def _noise_pool(length: int, device: torch.device) -> Tensor:
    return torch.randn(length, generator=torch.Generator().manual_seed(_POOL_SEED)).to(device)
