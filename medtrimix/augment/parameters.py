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
Numbers = dict[str, Uniform]

_NUMBERS = (
    *("crop_part", "crop_ratio", "x", "y", "turn_xy", "flip_width", "brightness", "contrast", "gamma", "noise_std"),
    *("noise_place", "blur_chance", "blur_sigma", "flip_height", "flip_depth", "crop_depth", "z", "turn_xz", "turn_yz"),
    *("crop_chance", "turn_chance", "brightness_chance", "contrast_chance", "gamma_chance", "noise_chance"),
    *("quadrature_place", "bias_chance", "bias_x1", "bias_x2", "bias_y1", "bias_y2", "bias_z1", "bias_z2"),
    *("erase_chance", "erase_part", "erase_ratio", "erase_depth", "erase_x", "erase_y", "erase_z"),
)
"""What each random number of a view is for. New ones go to the end, so that the views of former versions stay."""


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
        noise_std_B: standard deviation of added noise, in grey values (0 to 1).
        noise_place_B: which noise, 0 to 1.
        blur_sigma_B: standard deviation of the blur in parts of the longer side; 0 = none.
        speckle_std_B: standard deviation of noise in proportion to the grey value.
        quadrature_std_B: standard deviation of the noise in the imaginary part, of which and the real one the
            magnitude is taken; 0 = no magnitude.
        quadrature_place_B: which noise there, 0 to 1.
        bias_BA2: heights of half a period and of a whole one, along each axis, in the logarithm of the field.
        erase_center_BA: centre of the erased box, in the view.
        erase_half_BA: half of its width, height and depth; 0 = none.
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
    speckle_std_B: Tensor
    quadrature_std_B: Tensor
    quadrature_place_B: Tensor
    bias_BA2: Tensor
    erase_center_BA: Tensor
    erase_half_BA: Tensor

    def split(self, sizes: int | list[int]) -> list[Self]:
        """The same in pieces of so many images."""
        columns = [torch.split(getattr(self, field.name), sizes) for field in fields(self)]
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
    view: int | npt.NDArray[np.int64],
    spatial_dims: int = 2,
) -> AugmentParameters:
    """The parameters of view number `view` of these samples, on the CPU; of each its own, if there are as many.

    They depend on the arguments only, and those of a sample not on the other rows. `epoch` counts whatever should bring
    fresh views: passes over the data, or steps where a sample may come twice in a pass.
    """
    names = _NUMBERS[: _needed(options)]
    u = dict(zip(names, uniforms(len(names), seed=seed, epoch=epoch, rows_B=rows_B, view=view).T, strict=True))
    half_BA, center_BA = _crop(u, options=options, axes=spatial_dims)
    brightness_B = _symmetric(u["brightness"], options.brightness)
    contrast_B = _symmetric(u["contrast"], options.contrast)
    gamma_B = _symmetric(u["gamma"], 1.0)
    blur_B = _between(u["blur_sigma"], options.blur_sigma)
    noise_B = _sometimes(u["noise_chance"], options.noise_probability, u["noise_std"] * options.noise_std)
    erased_BA, erased_center_BA = _erased_box(u, options=options, axes=spatial_dims)
    return AugmentParameters(
        center_BA=_tensor(center_BA),
        half_size_BA=_tensor(half_BA * _signs(u, options=options, axes=spatial_dims)),
        angle_BT=_tensor(_angles(u, options=options, axes=spatial_dims)),
        brightness_B=_tensor(_sometimes(u["brightness_chance"], options.brightness_probability, brightness_B)),
        contrast_B=_tensor(1.0 + _sometimes(u["contrast_chance"], options.contrast_probability, contrast_B)),
        gamma_B=_tensor((1.0 + options.gamma) ** _sometimes(u["gamma_chance"], options.gamma_probability, gamma_B)),
        noise_std_B=_tensor(noise_B * (options.noise_kind != "speckle")),
        noise_place_B=_tensor(u["noise_place"]),
        blur_sigma_B=_tensor(_sometimes(u["blur_chance"], options.blur_probability, blur_B)),
        speckle_std_B=_tensor(noise_B * (options.noise_kind == "speckle")),
        quadrature_std_B=_tensor(noise_B * (options.noise_kind == "rician")),
        quadrature_place_B=_tensor(u["quadrature_place"]),
        bias_BA2=_tensor(_bias(u, options=options, axes=spatial_dims)),
        erase_center_BA=_tensor(erased_center_BA),
        erase_half_BA=_tensor(erased_BA),
    )


def _needed(options: AugmentOptions) -> int:
    """How many of the numbers these options use; those at the end are for what is mostly off."""
    if options.erase_probability:
        return len(_NUMBERS)
    return _NUMBERS.index("erase_chance" if options.bias_field else "bias_chance")


def identity(batch_size: int, *, spatial_dims: int = 2) -> AugmentParameters:
    """Parameters that leave every image as it is."""
    zero, one = torch.zeros(batch_size), torch.ones(batch_size)
    nowhere = torch.zeros(batch_size, spatial_dims)
    return AugmentParameters(
        center_BA=nowhere,
        half_size_BA=torch.ones(batch_size, spatial_dims),
        angle_BT=torch.zeros(batch_size, _turns(spatial_dims)),
        brightness_B=zero,
        contrast_B=one,
        gamma_B=one,
        noise_std_B=zero,
        noise_place_B=zero,
        blur_sigma_B=zero,
        speckle_std_B=zero,
        quadrature_std_B=zero,
        quadrature_place_B=zero,
        bias_BA2=torch.zeros(batch_size, spatial_dims, 2),
        erase_center_BA=nowhere,
        erase_half_BA=nowhere,
    )


def _turns(axes: int) -> int:
    """Planes in which a picture (one) or a volume (three) can be turned."""
    return axes * (axes - 1) // 2


def _crop(u: Numbers, *, options: AugmentOptions, axes: int) -> tuple[Uniform, Uniform]:
    """Half sizes and centres of the crops, `(B, A)`."""
    half_BA = _half_sides(u, of="crop", scale=options.crop_scale, ratio=options.crop_ratio, axes=axes)
    center_BA = _symmetric(_columns(u, "x", "y", "z", count=axes), 1.0) * (1.0 - half_BA + 2.0 * options.shift)
    cropped_B1 = u["crop_chance"][:, None] < options.crop_probability
    return np.where(cropped_B1, half_BA, 1.0), np.where(cropped_B1, center_BA, 0.0)


def _erased_box(u: Numbers, *, options: AugmentOptions, axes: int) -> tuple[Uniform, Uniform]:
    """Half sizes and centres of the boxes, `(B, A)`; they are inside the view as a whole."""
    if not options.erase_probability:
        nowhere_BA = np.zeros((len(u["x"]), axes))
        return nowhere_BA, nowhere_BA
    half_BA = _half_sides(u, of="erase", scale=options.erase_scale, ratio=options.erase_ratio, axes=axes)
    center_BA = _symmetric(_columns(u, "erase_x", "erase_y", "erase_z", count=axes), 1.0) * (1.0 - half_BA)
    return _sometimes(u["erase_chance"][:, None], options.erase_probability, half_BA), center_BA


def _half_sides(u: Numbers, *, of: str, scale: tuple[float, float], ratio: tuple[float, float], axes: int) -> Uniform:
    """Half of width, height and depth, `(B, A)`: without the cut to 1 their product is the part that is inside."""
    part = _between(u[f"{of}_part"], scale)
    log_ratio = tuple(np.log(ratio))
    stretch = np.exp(_between(u[f"{of}_ratio"], log_ratio))
    if axes == 2:
        sides = [np.sqrt(part * stretch), np.sqrt(part / stretch)]
    else:
        deeper = np.exp(_between(u[f"{of}_depth"], log_ratio))  # depth against the mean of width and height
        side = np.cbrt(part / deeper)
        sides = [side * np.sqrt(stretch), side / np.sqrt(stretch), side * deeper]
    half_BA: Uniform = np.minimum(np.stack(sides, axis=1), 1.0)
    return half_BA


def _signs(u: Numbers, *, options: AugmentOptions, axes: int) -> Uniform:
    """-1 for the axes that are flipped, `(B, A)`."""
    flipped_BA = _columns(u, "flip_width", "flip_height", "flip_depth", count=axes) < options.flip_probability
    allowed_A = [axis in options.flip_axes for axis in ("width", "height", "depth")[:axes]]
    return np.where(flipped_BA & allowed_A, -1.0, 1.0)


def _angles(u: Numbers, *, options: AugmentOptions, axes: int) -> Uniform:
    """Radians, `(B, T)`."""
    turns_BT = _columns(u, "turn_xy", "turn_xz", "turn_yz", count=_turns(axes))
    angle_BT = _symmetric(turns_BT, np.deg2rad(options.rotation_degrees))
    return _sometimes(u["turn_chance"][:, None], options.rotation_probability, angle_BT)


def _bias(u: Numbers, *, options: AugmentOptions, axes: int) -> Uniform:
    """Heights of the field's waves, `(B, A, 2)`."""
    if not options.bias_field:
        return np.zeros((len(u["x"]), axes, 2))
    numbers = _columns(u, "bias_x1", "bias_x2", "bias_y1", "bias_y2", "bias_z1", "bias_z2", count=2 * axes)
    height_BA2 = _symmetric(numbers, options.bias_field).reshape(-1, axes, 2)
    return _sometimes(u["bias_chance"][:, None, None], options.bias_field_probability, height_BA2)


def _columns(u: Numbers, *names: str, count: int) -> Uniform:
    """The first `count` of these numbers side by side, `(B, count)`."""
    return np.stack([u[name] for name in names[:count]], axis=1)


def _sometimes(chance: Uniform, probability: float, value: Uniform) -> Uniform:
    """The value with that probability, else 0."""
    return np.where(chance < probability, value, 0.0) if probability < 1 else value


def _between(u: Uniform, bounds: tuple[float, ...]) -> Uniform:
    low, high = bounds
    return low + u * (high - low)


def _symmetric(u: Uniform, largest: float) -> Uniform:
    return (2.0 * u - 1.0) * largest


def _tensor(values: Uniform) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
