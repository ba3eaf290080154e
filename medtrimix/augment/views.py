"""Views: what augmentation makes of a batch of stored images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medtrimix.augment.bias_field import shade
from medtrimix.augment.blur import blur
from medtrimix.augment.erase import erase
from medtrimix.augment.intensity import grey_tables, look_up_at, places_in_tables
from medtrimix.augment.noise import Noise, add_speckle, noise_of, take_magnitude
from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.augment.parameters import AugmentParameters, draw
from medtrimix.augment.resample import Lines, affine_maps, resample_along, sampling_lines
from medtrimix.augment.resample_volume import VolumeLines, resample_shown_volume, volume_lines

Change = Callable[[Tensor, AugmentParameters], None]
"""Of the pixels of views, in place."""

_CPU_PIXELS = 2**17
"""Pixels that a CPU works on at a time: larger pieces leave its cache and take up to twice as long."""


def apply(image_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation) -> Tensor:
    """One view of each uint8 image or volume, as `apply_all` makes several."""
    return apply_all(image_BCHW, parameters, normalisation=normalisation, views=1)[0]


def apply_all(
    image_BCHW: Tensor, parameters: AugmentParameters, *, normalisation: Normalisation, views: int
) -> list[Tensor]:
    """Views of each uint8 image or volume: float32, normalised, same shape, on the images' device.

    Grey values, then geometry, shading, blur, noise (it comes from the detector, so it is as sharp in a crop), erasing.

    Args:
        image_BCHW: the images.
        parameters: of the first view of each image, then of the second view of each, and so on.
        normalisation: of their channels.
        views: of each image.

    Raises:
        ValueError: the images are not uint8, or of other axes or another number than the parameters, or of other
            channels than the normalisation.
    """
    (rows, axes), channels = parameters.center_BA.shape, len(normalisation.mean)
    batch = rows // views
    if image_BCHW.dtype != torch.uint8 or image_BCHW.ndim != 2 + axes or image_BCHW.shape[:2] != (batch, channels):
        raise ValueError(
            f"expected uint8 images of shape ({batch}, {channels}, {'H, W' if axes == 2 else 'D, H, W'}); "
            f"got {image_BCHW.dtype} of shape {tuple(image_BCHW.shape)}"
        )
    parameters = parameters.to(image_BCHW.device)
    # One piece of memory for each view: larger ones come from the system and are cleared first.
    made = [torch.empty(image_BCHW.shape, device=image_BCHW.device) for _ in range(views)]
    at_once = batch if image_BCHW.is_cuda else max(1, _CPU_PIXELS // image_BCHW[0].numel())
    pieces = torch.split(image_BCHW, at_once)
    outs = [out for view_BCHW in made for out in torch.split(view_BCHW, at_once)]
    tasks = _tasks(parameters, outs=outs, normalisation=normalisation)
    for number, images in enumerate(pieces):
        places = places_in_tables(images) if axes == 2 else None  # of volumes they would not stay in the cache
        for task in tasks[number :: len(pieces)]:
            task.carry_out(images, places)
    return made


class _Task(NamedTuple):
    """One view of each image of a piece."""

    table_BC256: Tensor
    where: Lines | VolumeLines
    noise: Noise | None
    parameters: AugmentParameters
    before: list[Change]
    after: list[Change]
    out: Tensor

    def carry_out(self, image_BCHW: Tensor, places: Tensor | None) -> None:
        """Writes the views; `places` are those of pictures in tables."""
        seen = self.out
        if isinstance(self.where, VolumeLines):
            resample_shown_volume(image_BCHW, self.table_BC256, self.where, out=seen)
        else:
            assert places is not None
            seen = resample_along(look_up_at(places, self.table_BC256).view(image_BCHW.shape), self.where)
        for change in self.before:
            change(seen, self.parameters)
        if self.noise is not None:
            self.noise.write_sum(seen, out=self.out)
        elif seen is not self.out:
            self.out.copy_(seen)
        for change in self.after:
            change(self.out, self.parameters)


def _tasks(parameters: AugmentParameters, *, outs: list[Tensor], normalisation: Normalisation) -> list[_Task]:
    """What there is to do for these pieces of views; what has no strength in any of them is left out."""
    sizes = [len(out) for out in outs]
    before, after = (
        [change for change, strength in changes if strength.any()] for changes in _changes(parameters, normalisation)
    )
    noises: list[Noise | None] = [None] * len(sizes)
    if parameters.noise_std_B.any():
        noises = [*noise_of(parameters, like=outs[0], normalisation=normalisation).split(sizes)]
    numbers = parameters.split(sizes) if before or after else [parameters] * len(sizes)
    tables = torch.split(grey_tables(parameters, normalisation=normalisation), sizes)
    places = _where(parameters, sizes=sizes, like=outs[0])
    pieces = zip(tables, places, noises, numbers, outs, strict=True)
    return [
        _Task(table_BC256, where, noise, own, before, after, views) for table_BC256, where, noise, own, views in pieces
    ]


def _where(parameters: AugmentParameters, *, sizes: list[int], like: Tensor) -> Sequence[Lines | VolumeLines]:
    """Where pictures or volumes like these are read, in pieces of so many."""
    sides = tuple(like.shape[:1:-1])
    map_BAQ = affine_maps(parameters, sizes=sides)
    if len(sides) == 2:
        return sampling_lines(map_BAQ, width=sides[0], height=sides[1], sizes=sizes)
    return volume_lines(map_BAQ, sizes=sides).split(sizes)


def _changes(
    parameters: AugmentParameters, normalisation: Normalisation
) -> tuple[tuple[tuple[Change, Tensor], ...], ...]:
    """What is done to the pixels of views before and after noise is added, in this order.

    Each comes with numbers that are 0 where there is none of it.
    """
    before: tuple[tuple[Change, Tensor], ...] = (
        (partial(shade, normalisation=normalisation), parameters.bias_BA2),
        (blur, parameters.blur_sigma_B),
    )
    return before, (
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
        """View number `view` of the images, whose row numbers in the store are `rows_B`."""
        return self.views(image_BCHW, epoch=epoch, rows_B=rows_B, views=(view,))[0]

    def views(
        self, image_BCHW: Tensor, *, epoch: int, rows_B: npt.NDArray[np.int64], views: Sequence[int]
    ) -> list[Tensor]:
        """The views of these numbers, see `draw` and `apply_all`; what is alike in all of them is done once."""
        parameters = draw(
            self.options,
            seed=self.seed,
            epoch=epoch,
            rows_B=np.tile(rows_B, len(views)),
            view=np.repeat(views, len(rows_B)),
            spatial_dims=image_BCHW.ndim - 2,
        )
        return apply_all(image_BCHW, parameters, normalisation=self.normalisation, views=len(views))


def as_pixels(view_BCHW: Tensor, *, normalisation: Normalisation) -> npt.NDArray[np.uint8]:
    """A normalised view in grey values, uint8, for people to look at."""
    per_channel = (1, -1, *[1] * (view_BCHW.ndim - 2))
    mean, std = (torch.tensor(values).view(per_channel) for values in (normalisation.mean, normalisation.std))
    grey_BCHW = view_BCHW.detach().float().cpu() * std + mean
    pixels: npt.NDArray[np.uint8] = (grey_BCHW.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return pixels
