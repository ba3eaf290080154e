"""Masked autoencoding restated as slowly and literally as possible: loops over single numbers, in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def patches(image: Tensor, *, patch: Sequence[int]) -> list[list[Tensor]]:
    """Patches of one image (C, ...), row by row: their pixels row by row, channels last; 0 beyond the image."""
    sides = image.shape[1:]
    found = []
    for place in _places([math.ceil(side / size) for side, size in zip(sides, patch, strict=True)]):
        pixels = []
        for inside in _places(patch):
            at = [p * size + i for p, size, i in zip(place, patch, inside, strict=True)]
            exists = all(a < side for a, side in zip(at, sides, strict=True))
            pixels += [channel[tuple(at)] if exists else torch.zeros((), dtype=image.dtype) for channel in image]
        found.append(pixels)
    return found


def loss(
    prediction: Tensor, images: Tensor, *, patch: Sequence[int], masked: Sequence[Sequence[bool]], normalised: bool
) -> Tensor:
    """He et al. 2022: `forward_loss` of the published `models_mae.py`."""
    errors = []
    for image, predicted, hidden in zip(images, prediction, masked, strict=True):
        for pixels, guess, counts in zip(patches(image, patch=patch), predicted, hidden, strict=True):
            if counts:
                target = _standardised(pixels) if normalised else pixels
                errors.append(sum((g - t) ** 2 for g, t in zip(guess, target, strict=True)) / len(target))
    return sum(errors, start=torch.zeros((), dtype=torch.float64)) / len(errors)


def positions(grid: Sequence[int], *, dim: int) -> list[list[float]]:
    """Vaswani et al. 2017, section 3.5, for each axis on its own share of the channels."""
    count = dim // (2 * len(grid))
    rows = []
    for place in _places(grid):
        row: list[float] = []
        for at in place:
            angles = [at / 10_000 ** (f / count) for f in range(count)]
            row += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        rows.append(row + [0.0] * (dim - len(row)))
    return rows


def _standardised(pixels: Sequence[Tensor]) -> list[Tensor]:
    mean = sum(pixels) / len(pixels)
    variance = sum((p - mean) ** 2 for p in pixels) / (len(pixels) - 1)
    return [(p - mean) / (variance + 1e-6) ** 0.5 for p in pixels]


def _places(sides: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*(range(side) for side in sides))
