"""Views: what augmentation makes of a batch of stored images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medtrimix.augment.intensity import add_noise, blur, look_up
from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.augment.parameters import AugmentParameters, draw
from medtrimix.augment.resample import resample

_CPU_PIXELS = 2**18
"""Pixels that a CPU works on at a time: larger pieces leave its cache and take up to twice as long."""


def apply(image_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> Tensor:
    """One view of each uint8 image or volume: float32, normalised, same shape, on the images' device.

    Grey values, then geometry, then blur, then noise (noise comes from the detector, so it is as sharp in a crop).

    Raises:
        ValueError: the images are not uint8, or of other axes or another number than the parameters, or of other
            channels than the normalisation.
    """
    (batch, axes), channels = parameters.center_BA.shape, len(normalisation.mean)
    if image_BCHW.dtype != torch.uint8 or image_BCHW.ndim != 2 + axes or image_BCHW.shape[:2] != (batch, channels):
        raise ValueError(
            f"expected uint8 images of shape ({batch}, {channels}, {'H, W' if axes == 2 else 'D, H, W'}); "
            f"got {image_BCHW.dtype} of shape {tuple(image_BCHW.shape)}"
        )
    size = batch if image_BCHW.is_cuda else max(1, _CPU_PIXELS // image_BCHW[0].numel())
    pieces = zip(torch.split(image_BCHW, size), parameters.to(image_BCHW.device).split(size), strict=True)
    return torch.cat([_applied(images, rows, normalisation=normalisation) for images, rows in pieces])


def _applied(image_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> Tensor:
    view_BCHW = resample(look_up(image_BCHW, parameters, normalisation=normalisation), parameters)
    return add_noise(blur(view_BCHW, parameters), parameters, normalisation=normalisation)


@dataclass(frozen=True)
class Augmenter:
    """Augmentation of one training: which views, of images normalised how, under which seed."""

    options: AugmentOptions
    normalisation: Normalisation
    seed: int

    def view(self, image_BCHW: Tensor, *, epoch: int, rows_B: npt.NDArray[np.int64], view: int = 0) -> Tensor:
        """View number `view` of the images, whose row numbers in the store are `rows_B`; see `draw` and `apply`."""
        dims = image_BCHW.ndim - 2
        parameters = draw(self.options, seed=self.seed, epoch=epoch, rows_B=rows_B, view=view, spatial_dims=dims)
        return apply(image_BCHW, parameters, normalisation=self.normalisation)


def as_pixels(view_BCHW: Tensor, *, normalisation: Normalisation) -> npt.NDArray[np.uint8]:
    """A normalised view in grey values, uint8, for people to look at."""
    per_channel = (1, -1, *[1] * (view_BCHW.ndim - 2))
    mean, std = (torch.tensor(values).view(per_channel) for values in (normalisation.mean, normalisation.std))
    grey_BCHW = view_BCHW.detach().float().cpu() * std + mean
    pixels: npt.NDArray[np.uint8] = (grey_BCHW.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return pixels
