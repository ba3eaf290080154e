"""Augmentation in YAML: a preset's name, or a preset and what differs."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from medtrimix.augment.options import AugmentOptions, Normalisation, Preset
from medtrimix.config.model import Config


class Step(Config):
    augment: AugmentOptions = AugmentOptions()


def read(augment: str) -> AugmentOptions:
    return Step.model_validate_json(f'{{"augment": {augment}}}').augment


def test_a_name_alone() -> None:
    assert Step().augment == AugmentOptions() == read('"radiograph"') == read('{"preset": "radiograph"}') == read("{}")
    assert read('"light"') == AugmentOptions(preset="light")
    assert read('"light"').crop_scale == (0.8, 1.0)


def test_what_is_given_wins_and_the_rest_is_the_preset_s() -> None:
    options = read('{"preset": "radiograph", "crop_scale": [0.5, 1.0], "gamma": 0}')
    assert options == AugmentOptions(preset="radiograph", crop_scale=(0.5, 1.0), gamma=0)
    assert (options.crop_scale, options.gamma, options.contrast) == ((0.5, 1.0), 0.0, 0.2)


@pytest.mark.parametrize("preset", get_args(Preset))
def test_what_is_written_down_reads_the_same(preset: str) -> None:
    options = read(f'"{preset}"')
    assert read(options.model_dump_json()) == options


def test_what_has_a_side_is_never_flipped() -> None:
    flipped = {preset for preset in get_args(Preset) if AugmentOptions(preset=preset).flip_probability > 0}
    assert flipped == {"photo", "ultrasound"}
    assert AugmentOptions(preset="ultrasound").flip_axes == ("width",)  # shadows point away from the probe


def test_noise_and_shading_are_those_of_the_modality() -> None:
    kinds = {preset: AugmentOptions(preset=preset).noise_kind for preset in get_args(Preset)}
    assert kinds["mri"] == "rician"
    assert kinds["ultrasound"] == "speckle"
    assert {kinds[preset] for preset in ("radiograph", "ct", "photo")} == {"gaussian"}
    assert {preset for preset in kinds if AugmentOptions(preset=preset).bias_field > 0} == {"mri", "ultrasound"}


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ('"heavy"', ("preset",)),
        ('{"preset": ["light"]}', ("preset",)),
        ('{"crop_scale": [1.0, 0.5]}', ("crop_scale",)),
        ('{"crop_scale": [0.5, 1.5]}', ("crop_scale", 1)),
        ('{"crop_scale": [0.5]}', ("crop_scale", 1)),
        ('{"crop_scale": 0.5}', ("crop_scale",)),
        ('{"blur_sigma": [0.0, 1.0]}', ("blur_sigma",)),
        ('{"gamma": "0.1"}', ("gamma",)),
        ('{"gama": 0.1}', ("gama",)),
        ('{"flip_probability": 2}', ("flip_probability",)),
        ('{"erase_scale": [0.0, 0.2]}', ("erase_scale", 0)),
        ('{"noise_kind": "poisson"}', ("noise_kind",)),
        ("3", ()),
    ],
)
def test_refusals_name_their_place_once(given: str, place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as refusal:
        read(given)
    assert [error["loc"] for error in refusal.value.errors()] == [("augment", *place)]


def test_normalisation_reads_back_and_refuses_nonsense() -> None:
    normalisation = Normalisation(mean=(0.5, 0.4), std=(0.2, 0.1))
    assert Normalisation.model_validate_json(normalisation.model_dump_json()) == normalisation
    for wrong in ('{"mean": [0.5], "std": [0]}', '{"mean": [0.5], "std": [0.1, 0.2]}'):
        with pytest.raises(ValidationError, match="one positive standard deviation per channel"):
            Normalisation.model_validate_json(wrong)
