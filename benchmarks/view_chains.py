"""The same augmentation by three libraries, each a function from stored uint8 images to normalised views.

The same in kind and, as far as the libraries allow, in range: a crop, a rotation, mirrored edges, gamma, contrast,
brightness, Gaussian noise, normalisation; all of them always. MONAI and kornia get the crop as one affine map, which is
their fastest way, with the sides and shifts that a crop of the preset can have; kornia also gets crop and rotation one
after the other.

What can't be made equal. Their affine maps draw each side by itself and the shift without regard to the sides, so
stretch has no range of its own and views reach beyond the image, where ours stay inside. kornia's volumes have black
edges, as its `RandomAffine3D` knows no other, and its noise has the largest deviation always, where MONAI's and ours
draw it from 0 to that. Contrast is about mid-grey here, about the image's mean in MONAI, about black in kornia. Within
the same ranges distributions differ: a zoom of kornia is uniform where a side is in the others.

Ours makes the two views of a pretraining at once; kornia gets the images as they are, twice, and in small
batches, and counts with the fastest. MONAI works sample by sample in a DataLoader, as its users do; its second chain
leaves out the metadata that it keeps for each image by default. kornia has nothing for the grey values of volumes:
there its chain is the geometry alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from monai.data import DataLoader, Dataset, set_track_meta
from monai.transforms import (
    Compose,
    EnsureType,
    NormalizeIntensity,
    RandAdjustContrast,
    RandAffine,
    RandGaussianNoise,
    RandScaleIntensityFixedMean,
    RandShiftIntensity,
    ScaleIntensityRange,
)

from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.augment.views import Augmenter

OURS, MONAI, MONAI_BARE, KORNIA = "medtrimix", "MONAI", "MONAI without metadata", "kornia"
NORMALISATION = Normalisation(mean=(0.5,), std=(0.25,))
_KORNIA_AT_ONCE = 32
"""kornia is faster on large pictures in small batches, on small ones in large: it gets both, the faster counts."""

Chain = Callable[[torch.Tensor], int]
"""Augments a batch; returns the number of views."""


def chains(size: tuple[int, ...], *, preset: str) -> dict[str, list[Chain]]:
    """What each library has for images of this size; of several chains the fastest counts. kornia may be absent."""
    options = AugmentOptions(preset=preset)  # type: ignore[arg-type]
    found: dict[str, list[Chain]] = {
        OURS: [_ours(options)],
        MONAI: [_monai(options, size, metadata=True)],
        MONAI_BARE: [_monai(options, size, metadata=False)],
    }
    if find_spec("kornia"):
        found[KORNIA] = [*_kornia(options, size)]
    return found


def _ours(options: AugmentOptions) -> Chain:
    augmenter = Augmenter(options, NORMALISATION, seed=1)
    epochs = iter(range(1_000_000))

    def run(image: torch.Tensor) -> int:
        return sum(map(len, augmenter.views(image, epoch=next(epochs), rows_B=np.arange(len(image)), views=(1, 2))))

    return run


def _sides(options: AugmentOptions, axes: int) -> tuple[float, float]:
    """Shortest and longest side of a crop as part of the image's."""
    return options.crop_scale[0] ** (1 / axes), options.crop_scale[1] ** (1 / axes)


def _monai(options: AugmentOptions, size: tuple[int, ...], *, metadata: bool) -> Chain:
    axes, angle = len(size), math.radians(options.rotation_degrees)
    smallest, largest = _sides(options, axes)
    (mean,), (std,) = NORMALISATION.mean, NORMALISATION.std
    transform = Compose(
        [
            EnsureType(),
            ScaleIntensityRange(0, 255, 0, 1),
            RandAdjustContrast(prob=1, gamma=(1 / (1 + options.gamma), 1 + options.gamma)),
            RandScaleIntensityFixedMean(prob=1, factors=options.contrast),
            RandShiftIntensity(prob=1, offsets=options.brightness),
            RandAffine(
                prob=1,
                rotate_range=[angle] * (1 if axes == 2 else 3),
                scale_range=[(smallest - 1, largest - 1)] * axes,
                translate_range=[(1 - smallest) / 2 * side for side in size],
                spatial_size=size,
                padding_mode="reflection",
                cache_grid=True,
            ),
            RandGaussianNoise(prob=1, std=options.noise_std),
            NormalizeIntensity(subtrahend=mean, divisor=std),
        ]
    )

    def run(image: torch.Tensor) -> int:
        set_track_meta(metadata)
        loader = DataLoader(Dataset(list(image.numpy()), transform), batch_size=len(image), num_workers=0)
        views = sum(len(batch) for batch in loader)
        set_track_meta(True)
        return views

    return run


def _kornia(options: AugmentOptions, size: tuple[int, ...]) -> Iterator[Chain]:
    from kornia import augmentation as K  # noqa: N812 - everybody's name for it

    axes, degrees = len(size), options.rotation_degrees
    smallest, largest = _sides(options, axes)
    zoom = (1 / largest, 1 / smallest)  # of the image, where MONAI's scale is that of the crop
    reach = min(1.0, (zoom[1] - 1) / 2)  # of the view's side
    if axes == 3:
        scale, shift = (zoom,) * 3, (reach, reach, reach)
        affine: list[Any] = [K.RandomAffine3D((degrees,) * 3, translate=shift, scale=scale, p=1)]
        geometries = [affine]
        grey = []
    else:
        (mean,), (std,) = NORMALISATION.mean, NORMALISATION.std
        geometries = [
            [K.RandomAffine(degrees, translate=(reach, reach), scale=zoom * 2, padding_mode="reflection", p=1)],
            [
                K.RandomResizedCrop(size, scale=options.crop_scale, ratio=options.crop_ratio, p=1),
                K.RandomAffine(degrees, padding_mode="reflection", p=1),  # RandomRotation's edges are black
            ],
        ]
        grey = [
            K.RandomGamma((1 / (1 + options.gamma), 1 + options.gamma), p=1),
            K.RandomContrast((1 - options.contrast, 1 + options.contrast), p=1),
            K.RandomBrightness((1 - options.brightness, 1 + options.brightness), p=1),
            K.RandomGaussianNoise(std=options.noise_std, p=1),
            K.Normalize(mean, std),
        ]
    for geometry in geometries:
        sequence = K.AugmentationSequential(*geometry, *grey, data_keys=["input"])
        yield lambda image, sequence=sequence: len(sequence(image.float() / 255))
        yield lambda image, sequence=sequence: len(sequence(image.repeat(2, *[1] * (image.ndim - 1)).float() / 255))
        yield lambda image, sequence=sequence: sum(
            len(sequence(piece.float() / 255)) for piece in image.split(_KORNIA_AT_ONCE)
        )
