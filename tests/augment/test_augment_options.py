"""Augmentation in YAML: a preset's name, or a preset and what differs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from medtrimix.augment.options import AugmentOptions, Normalisation
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


@pytest.mark.parametrize("preset", ["radiograph", "photo", "light", "none"])
def test_what_is_written_down_reads_the_same(preset: str) -> None:
    options = read(f'"{preset}"')
    assert read(options.model_dump_json()) == options


def test_radiographs_are_never_flipped() -> None:
    assert read('"radiograph"').flip_probability == 0
    assert read('"light"').flip_probability == 0
    assert read('"photo"').flip_probability > 0


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
