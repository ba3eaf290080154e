"""How one view of each image of a batch is made: numbers with names, drawn before any pixel is touched."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medtrimix.augment.counters import uniforms
from medtrimix.augment.options import AugmentOptions

Uniform = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AugmentParameters:
    """One row per image, float32; positions and sizes in units in which the image reaches from -1 to 1.

    Attributes:
        center_B2: x and y of the crop's centre.
        half_size_B2: half of the crop's width and height; a negative width flips left and right.
        angle_B: rotation of the crop about its centre, radians.
        brightness_B, contrast_B, gamma_B: as in `AugmentOptions`.
        noise_std_B: standard deviation of the noise, in grey values (0 to 1).
        noise_place_B: which noise, 0 to 1.
        blur_sigma_B: standard deviation of the blur in parts of the longer side; 0 = none.
    """

    center_B2: Tensor
    half_size_B2: Tensor
    angle_B: Tensor
    brightness_B: Tensor
    contrast_B: Tensor
    gamma_B: Tensor
    noise_std_B: Tensor
    noise_place_B: Tensor
    blur_sigma_B: Tensor

    def split(self, size: int) -> list[Self]:
        """The same in pieces of `size` images."""
        columns = [torch.split(getattr(self, field.name), size) for field in fields(self)]
        return [type(self)(*piece) for piece in zip(*columns, strict=True)]

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return type(self)(*(getattr(self, field.name).to(device) for field in fields(self)))


def draw(
    options: AugmentOptions, *, seed: int, epoch: int, rows_B: npt.NDArray[np.int64], view: int
) -> AugmentParameters:
    """The parameters of view number `view` of these samples, on the CPU.

    They depend on the arguments only, and those of a sample not on the other rows. `epoch` counts whatever should bring
    fresh views: passes over the data, or steps where a sample may come twice in a pass.
    """
    u = uniforms(13, seed=seed, epoch=epoch, rows_B=rows_B, view=view).T
    area = _between(u[0], options.crop_scale)
    ratio = np.exp(_between(u[1], tuple(np.log(options.crop_ratio))))
    half_B2 = np.minimum(np.sqrt(np.stack([area * ratio, area / ratio], axis=1)), 1.0)
    free_B2 = 1.0 - half_B2 + 2.0 * options.shift
    mirror = np.where(u[5] < options.flip_probability, -1.0, 1.0)
    blurred = u[11] < options.blur_probability
    return AugmentParameters(
        center_B2=_tensor(_symmetric(u[2:4].T, 1.0) * free_B2),
        half_size_B2=_tensor(half_B2 * np.stack([mirror, np.ones_like(mirror)], axis=1)),
        angle_B=_tensor(_symmetric(u[4], np.deg2rad(options.rotation_degrees))),
        brightness_B=_tensor(_symmetric(u[6], options.brightness)),
        contrast_B=_tensor(1.0 + _symmetric(u[7], options.contrast)),
        gamma_B=_tensor((1.0 + options.gamma) ** _symmetric(u[8], 1.0)),
        noise_std_B=_tensor(u[9] * options.noise_std),
        noise_place_B=_tensor(u[10]),
        blur_sigma_B=_tensor(np.where(blurred, _between(u[12], options.blur_sigma), 0.0)),
    )


def identity(batch_size: int) -> AugmentParameters:
    """Parameters that leave every image as it is."""
    zero, one = torch.zeros(batch_size), torch.ones(batch_size)
    return AugmentParameters(
        center_B2=torch.zeros(batch_size, 2),
        half_size_B2=torch.ones(batch_size, 2),
        angle_B=zero,
        brightness_B=zero,
        contrast_B=one,
        gamma_B=one,
        noise_std_B=zero,
        noise_place_B=zero,
        blur_sigma_B=zero,
    )


def _between(u: Uniform, bounds: tuple[float, ...]) -> Uniform:
    low, high = bounds
    return low + u * (high - low)


def _symmetric(u: Uniform, largest: float) -> Uniform:
    return (2.0 * u - 1.0) * largest


def _tensor(values: Uniform) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
