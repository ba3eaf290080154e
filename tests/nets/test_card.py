"""Which images an encoder on disk fits."""

from __future__ import annotations

import pytest

from medtrimix.nets.card import why_unfit
from medtrimix.nets.options import EncoderOptions, EncoderSpec


@pytest.mark.parametrize(
    ("name", "made_for", "images", "complaint"),
    [
        ("resnet18", (32, 32), (1, 64, 64), ""),
        ("resnet18", (32, 32), (3, 32, 32), "pictures of 3 channels"),
        ("vit", (32, 32), (1, 8, 32, 32), "volumes of 1 channel"),
        ("resnet18", (64, 64, 64), (1, 8, 64, 64), ""),
        ("densenet121", (64, 64, 64), (1, 6, 64, 64), "at least 8 slices, those of this study have 6"),
        ("resnet18", (6, 64, 64), (1, 6, 64, 64), ""),
        ("vit", (64, 64, 64), (1, 6, 64, 64), ""),
    ],
)
def test_what_does_not_fit(name: str, made_for: tuple[int, ...], images: tuple[int, ...], complaint: str) -> None:
    options = EncoderOptions.model_validate({"name": name})
    spec = EncoderSpec(options=options, channels=1, image_size=made_for, spatial_dims=3 if len(made_for) == 3 else 2)
    found = why_unfit(spec, image_shape=images)
    assert complaint in found
    assert bool(found) == bool(complaint)
