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

    The axes A are x (columns), y (rows) and, of a volume, z (slices); T are its turns, one or three.

    Attributes:
        center_BA: the crop's centre.
        half_size_BA: half of the crop's width, height and depth; a negative one flips that axis.
        angle_BT: rotation of the crop about its centre, radians: from x towards y; of a volume then from x towards z
            and from y towards z.
        brightness_B, contrast_B, gamma_B: as in `AugmentOptions`.
        noise_std_B: standard deviation of the noise, in grey values (0 to 1).
        noise_place_B: which noise, 0 to 1.
        blur_sigma_B: standard deviation of the blur in parts of the longer side; 0 = none.
    """

    center_BA: Tensor
    half_size_BA: Tensor
    angle_BT: Tensor
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
    options: AugmentOptions,
    *,
    seed: int,
    epoch: int,
    rows_B: npt.NDArray[np.int64],
    view: int,
    spatial_dims: int = 2,
) -> AugmentParameters:
    """The parameters of view number `view` of these samples, on the CPU.

    They depend on the arguments only, and those of a sample not on the other rows. `epoch` counts whatever should bring
    fresh views: passes over the data, or steps where a sample may come twice in a pass.
    """
    u = uniforms(19, seed=seed, epoch=epoch, rows_B=rows_B, view=view).T
    half_BA = np.minimum(_sides(u, options=options, spatial_dims=spatial_dims), 1.0)
    free_BA = 1.0 - half_BA + 2.0 * options.shift
    blurred = u[11] < options.blur_probability
    return AugmentParameters(
        center_BA=_tensor(_symmetric(u[[2, 3, 16][:spatial_dims]].T, 1.0) * free_BA),
        half_size_BA=_tensor(half_BA * _signs(u, options=options, spatial_dims=spatial_dims)),
        angle_BT=_tensor(_symmetric(u[[4, 17, 18][: _turns(spatial_dims)]].T, np.deg2rad(options.rotation_degrees))),
        brightness_B=_tensor(_symmetric(u[6], options.brightness)),
        contrast_B=_tensor(1.0 + _symmetric(u[7], options.contrast)),
        gamma_B=_tensor((1.0 + options.gamma) ** _symmetric(u[8], 1.0)),
        noise_std_B=_tensor(u[9] * options.noise_std),
        noise_place_B=_tensor(u[10]),
        blur_sigma_B=_tensor(np.where(blurred, _between(u[12], options.blur_sigma), 0.0)),
    )


def identity(batch_size: int, *, spatial_dims: int = 2) -> AugmentParameters:
    """Parameters that leave every image as it is."""
    zero, one = torch.zeros(batch_size), torch.ones(batch_size)
    return AugmentParameters(
        center_BA=torch.zeros(batch_size, spatial_dims),
        half_size_BA=torch.ones(batch_size, spatial_dims),
        angle_BT=torch.zeros(batch_size, _turns(spatial_dims)),
        brightness_B=zero,
        contrast_B=one,
        gamma_B=one,
        noise_std_B=zero,
        noise_place_B=zero,
        blur_sigma_B=zero,
    )


def _turns(spatial_dims: int) -> int:
    """Planes in which a picture (one) or a volume (three) can be turned."""
    return spatial_dims * (spatial_dims - 1) // 2


def _sides(u: Uniform, *, options: AugmentOptions, spatial_dims: int) -> Uniform:
    """Width, height and depth of the crops, `(B, A)`: their product is the part of the image that they keep."""
    part = _between(u[0], options.crop_scale)
    stretch = tuple(np.log(options.crop_ratio))
    ratio = np.exp(_between(u[1], stretch))
    if spatial_dims == 2:
        return np.sqrt(np.stack([part * ratio, part / ratio], axis=1))
    deeper = np.exp(_between(u[15], stretch))  # depth against the mean of width and height
    side = np.cbrt(part / deeper)
    return np.stack([side * np.sqrt(ratio), side / np.sqrt(ratio), side * deeper], axis=1)


def _signs(u: Uniform, *, options: AugmentOptions, spatial_dims: int) -> Uniform:
    """-1 for the axes that are flipped, `(B, A)`."""
    flipped = [
        (u[number] < options.flip_probability) & (axis in options.flip_axes)
        for axis, number in (("width", 5), ("height", 13), ("depth", 14))
    ]
    return np.where(np.stack(flipped[:spatial_dims], axis=1), -1.0, 1.0)


def _between(u: Uniform, bounds: tuple[float, ...]) -> Uniform:
    low, high = bounds
    return low + u * (high - low)


def _symmetric(u: Uniform, largest: float) -> Uniform:
    return (2.0 * u - 1.0) * largest


def _tensor(values: Uniform) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
