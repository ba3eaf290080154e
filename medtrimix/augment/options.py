"""Configuration of augmentation; imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from medtrimix.config.model import Config

Preset = Literal["radiograph", "ultrasound", "ct", "mri", "photo", "light", "none"]
NoiseKind = Literal["gaussian", "rician", "speckle"]
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
    # Strong enough for pretraining. No flip: the heart is on the left, and flipping cost .010 of AUC. Nothing is
    # erased: that cost .005.
    "radiograph": {
        "crop_scale": (0.3, 1.0),
        "crop_ratio": (0.75, 4 / 3),
        "rotation_degrees": 10.0,
        "brightness": 0.1,
        "contrast": 0.2,
        "gamma": 0.2,
        "noise_std": 0.02,
    },
    # Gain and dynamic range are set by hand for each patient, hence the strong grey values; the sliders of the time
    # gain and poor contact make bands, hence the field; the focus blurs. The probe may be held either way round, but
    # shadows point away from it: only left and right are flipped (for the heart: 0). Speckle leaves black black.
    "ultrasound": {
        "crop_scale": (0.4, 1.0),
        "crop_ratio": (0.85, 1 / 0.85),
        "rotation_degrees": 10.0,
        "flip_probability": 0.5,
        "brightness": 0.1,
        "contrast": 0.3,
        "gamma": 0.3,
        "bias_field": 0.15,
        "blur_probability": 0.2,
        "noise_kind": "speckle",
        "noise_std": 0.08,
    },
    # Hounsfield units are calibrated, so grey values change little: kernel, dose and contrast agent. No flip: organs
    # have their side. 0.4 of a volume is 0.74 of each side.
    "ct": {
        "crop_scale": (0.4, 1.0),
        "crop_ratio": (0.85, 1 / 0.85),
        "rotation_degrees": 10.0,
        "brightness": 0.05,
        "contrast": 0.1,
        "gamma": 0.1,
        "noise_std": 0.02,
    },
    # As CT, but grey values have no unit and differ between scanners and sequences, coils shade the image, and noise of
    # magnitude images is Rician.
    "mri": {
        "crop_scale": (0.4, 1.0),
        "crop_ratio": (0.85, 1 / 0.85),
        "rotation_degrees": 10.0,
        "brightness": 0.1,
        "contrast": 0.2,
        "gamma": 0.3,
        "bias_field": 0.15,
        "noise_kind": "rician",
        "noise_std": 0.03,
    },
    # For subjects without a left and right: skin, fundus, microscopy. Light and focus differ from photo to photo.
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

    All of it holds for volumes too. A strength is the largest that is drawn; a probability says how often there is any.

    Attributes:
        preset: where the values come from that are not given.
        crop_probability: of a crop, with its stretch and shift.
        crop_scale: smallest and largest part of the area (of a volume) that a crop keeps.
        crop_ratio: smallest and largest stretch of a crop's width against its height, 1 = as the image; in a volume
            also of its depth against both.
        shift: furthest shift of the crop's centre, as part of the image's size, beyond what the crop leaves free.
        rotation_probability: of a rotation.
        rotation_degrees: largest rotation, either way; of a volume about each of its three axes, voxels taken as cubes.
        flip_probability: of a flip, decided for each of `flip_axes`.
        flip_axes: `width` exchanges left and right, `height` top and bottom, `depth` the first and the last slice.
        brightness_probability: of a change of brightness.
        brightness: largest grey value (0 to 1) that is added, either way.
        contrast_probability: of a change of contrast.
        contrast: factor on the distance from mid-grey, 1 - contrast to 1 + contrast.
        gamma_probability: of a gamma curve.
        gamma: exponent, from 1 / (1 + gamma) to 1 + gamma.
        bias_field_probability: of a smooth field that grey values are multiplied by.
        bias_field: largest height of each of the cosine waves, half a period and a whole one along each axis, that are
            the field's logarithm. The usual deviation of the field is .8 of it in pictures, as much in volumes.
        blur_probability: of a Gaussian blur.
        blur_sigma: its smallest and largest standard deviation, in parts of the image's longest side.
        noise_probability: of noise.
        noise_kind: `gaussian` adds it; `rician` is the magnitude of a complex signal with Gaussian noise in both parts;
            `speckle` is added in proportion to the grey value.
        noise_std: largest standard deviation of the noise, in grey values (0 to 1), of speckle as part of the value.
        erase_probability: of a box that is filled with the mean grey of the training images.
        erase_scale: smallest and largest part of the area (of a volume) in the box.
        erase_ratio: smallest and largest stretch of the box, as `crop_ratio`.
    """

    preset: Preset = "radiograph"
    crop_probability: Probability = 1.0
    crop_scale: AreaRange = (1.0, 1.0)
    crop_ratio: Range = (1.0, 1.0)
    shift: Strength = 0.0
    rotation_probability: Probability = 1.0
    rotation_degrees: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    flip_probability: Probability = 0.0
    flip_axes: Axes = ("width",)
    brightness_probability: Probability = 1.0
    brightness: Strength = 0.0
    contrast_probability: Probability = 1.0
    contrast: Strength = 0.0
    gamma_probability: Probability = 1.0
    gamma: Strength = 0.0
    bias_field_probability: Probability = 1.0
    bias_field: Strength = 0.0
    blur_probability: Probability = 0.0
    blur_sigma: Range = (0.005, 0.02)
    noise_probability: Probability = 1.0
    noise_kind: NoiseKind = "gaussian"
    noise_std: Strength = 0.0
    erase_probability: Probability = 0.0
    erase_scale: AreaRange = (0.02, 0.2)
    erase_ratio: Range = (0.5, 2.0)

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
