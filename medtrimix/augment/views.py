"""Views: what augmentation makes of a batch of stored images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medtrimix.augment.bias_field import shade
from medtrimix.augment.blur import blur
from medtrimix.augment.erase import erase
from medtrimix.augment.intensity import grey_tables, look_up
from medtrimix.augment.noise import add_noise, add_speckle, take_magnitude
from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.augment.parameters import AugmentParameters, draw
from medtrimix.augment.resample import Lines, affine_maps, resample_along, sampling_lines
from medtrimix.augment.resample_volume import resample_volume

Change = Callable[[Tensor, AugmentParameters], None]
"""Of the pixels of views, in place."""

_CPU_PIXELS = 2**17
"""Pixels that a CPU works on at a time: larger pieces leave its cache and take up to twice as long."""


def apply(image_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> Tensor:
    """One view of each uint8 image or volume: float32, normalised, same shape, on the images' device.

    Grey values, then geometry, shading, blur, noise (it comes from the detector, so it is as sharp in a crop), erasing.

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
    parameters = parameters.to(image_BCHW.device)
    table_BC256 = grey_tables(parameters, normalisation=normalisation)
    sizes = tuple(image_BCHW.shape[:1:-1])
    map_BAQ = affine_maps(parameters, sizes=sizes)
    places = sampling_lines(map_BAQ, width=sizes[0], height=sizes[1]) if axes == 2 else map_BAQ
    changes = [change for change, strength in _changes(parameters, normalisation) if strength.any()]
    view_BCHW = torch.empty(image_BCHW.shape, device=image_BCHW.device)
    size = batch if image_BCHW.is_cuda else max(1, _CPU_PIXELS // image_BCHW[0].numel())
    for images, tables, where, numbers, views in zip(
        *(rows.split(size) for rows in (image_BCHW, table_BC256, places, parameters, view_BCHW)), strict=True
    ):
        shown = look_up(images, tables)
        seen = resample_along(shown, where) if isinstance(where, Lines) else resample_volume(shown, where)
        for change in changes:
            change(seen, numbers)
        views.copy_(seen)
    return view_BCHW


def _changes(parameters: AugmentParameters, normalisation: Normalisation) -> tuple[tuple[Change, Tensor], ...]:
    """What is done to the pixels of views, in this order, each with numbers that are 0 where there is none of it."""
    return (
        (partial(shade, normalisation=normalisation), parameters.bias_BA2),
        (blur, parameters.blur_sigma_B),
        (partial(add_noise, normalisation=normalisation), parameters.noise_std_B),
        (partial(add_speckle, normalisation=normalisation), parameters.speckle_std_B),
        (partial(take_magnitude, normalisation=normalisation), parameters.quadrature_std_B),
        (erase, parameters.erase_half_BA),
    )


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
