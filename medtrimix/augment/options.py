"""Configuration of augmentation; imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from medtrimix.config.model import Config

Preset = Literal["radiograph", "photo", "volume", "light", "none"]
Axis = Literal["width", "height", "depth"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
AreaPart = Annotated[float, Field(gt=0.0, le=1.0)]
Strength = Annotated[float, Field(ge=0.0, lt=1.0)]


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0 < bounds[0] <= bounds[1]:
        raise ValueError("expected two positive numbers in ascending order")
    return bounds


# Not strict about tuples: the validator that fills in the preset has turned YAML into Python, where it is a list.
Range = Annotated[tuple[float, float], Strict(False), AfterValidator(_ascending)]
AreaRange = Annotated[tuple[AreaPart, AreaPart], Strict(False), AfterValidator(_ascending)]
Axes = Annotated[tuple[Axis, ...], Strict(False)]

_PRESETS: dict[str, dict[str, Any]] = {
    # Strong enough for pretraining. No flip: the heart is on the left, and flipping cost .010 of AUC.
    "radiograph": {
        "crop_scale": (0.3, 1.0),
        "crop_ratio": (0.75, 4 / 3),
        "rotation_degrees": 10.0,
        "brightness": 0.1,
        "contrast": 0.2,
        "gamma": 0.2,
        "noise_std": 0.02,
    },
    # For subjects without a left and right: skin, fundus, microscopy.
    "photo": {
        "crop_scale": (0.2, 1.0),
        "crop_ratio": (0.75, 4 / 3),
        "rotation_degrees": 10.0,
        "flip_probability": 0.5,
        "brightness": 0.3,
        "contrast": 0.4,
        "gamma": 0.2,
        "blur_probability": 0.5,
    },
    # For CT, MR and masks. No flip: organs have their side. 0.4 of a volume is 0.74 of each side.
    "volume": {
        "crop_scale": (0.4, 1.0),
        "crop_ratio": (0.85, 1 / 0.85),
        "rotation_degrees": 10.0,
        "brightness": 0.05,
        "contrast": 0.1,
        "gamma": 0.1,
        "noise_std": 0.02,
    },
    # For training with labels: views in which the finding is certainly still there.
    "light": {
        "crop_scale": (0.8, 1.0),
        "rotation_degrees": 5.0,
        "shift": 0.05,
        "brightness": 0.1,
        "contrast": 0.1,
    },
    "none": {},
}


class AugmentOptions(Config):
    """How views differ from their image. In YAML a preset's name, or `{preset: NAME, ...}` with what differs from it.

    All of it holds for volumes too.

    Attributes:
        preset: where the values come from that are not given.
        crop_scale: smallest and largest part of the area (of a volume) that a crop keeps.
        crop_ratio: smallest and largest stretch of a crop's width against its height, 1 = as the image; in a volume
            also of its depth against both.
        shift: furthest shift of the crop's centre, as part of the image's size, beyond what the crop leaves free.
        rotation_degrees: largest rotation, either way; of a volume about each of its three axes, voxels taken as cubes.
        flip_probability: of a flip, decided for each of `flip_axes`.
        flip_axes: `width` exchanges left and right, `height` top and bottom, `depth` the first and the last slice.
        brightness: largest grey value (0 to 1) that is added, either way.
        contrast: factor on the distance from mid-grey, 1 - contrast to 1 + contrast.
        gamma: exponent, from 1 / (1 + gamma) to 1 + gamma.
        noise_std: largest standard deviation of added noise, in grey values (0 to 1).
        blur_probability: of a Gaussian blur.
        blur_sigma: its smallest and largest standard deviation, in parts of the image's longest side.
    """

    preset: Preset = "radiograph"
    crop_scale: AreaRange = (1.0, 1.0)
    crop_ratio: Range = (1.0, 1.0)
    shift: Strength = 0.0
    rotation_degrees: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    flip_probability: Probability = 0.0
    flip_axes: Axes = ("width",)
    brightness: Strength = 0.0
    contrast: Strength = 0.0
    gamma: Strength = 0.0
    noise_std: Strength = 0.0
    blur_probability: Probability = 0.0
    blur_sigma: Range = (0.005, 0.02)

    @model_validator(mode="before")
    @classmethod
    def _preset_fills_in(cls, given: Any) -> Any:
        values = {"preset": given} if isinstance(given, str) else given
        if not isinstance(values, dict):
            return values
        preset = values.get("preset", "radiograph")
        return {**_PRESETS.get(preset, {}), **values} if isinstance(preset, str) else values


class Normalisation(Config):
    """Mean and standard deviation of each channel's grey values (0 to 1), which bring images to mean 0, deviation 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @model_validator(mode="after")
    def _usable(self) -> Normalisation:
        if len(self.mean) != len(self.std) or not all(std > 0 for std in self.std):
            raise ValueError("one mean and one positive standard deviation per channel")
        return self
