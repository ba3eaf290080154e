"""The `data:` section: what contradicts itself is refused, and shapes follow from it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from medtrimix.ingest.options import DataOptions


def _options(text: str) -> DataOptions:
    return DataOptions.model_validate_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"volume": {"orientation": "LPX"}', "orientation 'LPX'"),
        ('"volume": {"orientation": "LRS"}', "orientation 'LRS'"),
        ('"volume": {"window_hu": [400, -1000]}', "below the one shown as white"),
        ('"volume": {"channels": 3}', "fourth_axis: channels"),
        ('"volume": {"spacing_mm": [1, 1, 0]}', "greater than 0"),
        ('"label": ["a", "b"], "finding": "c"', "none of the columns"),
        ('"label": ["a"]', "at least 2"),
        ('"exclude": ["blurred"]', "for_processing"),
    ],
)
def test_contradictions(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _options(f'{{"source": "x", {text}}}')


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("", (1, 64, 64)),
        (', "channels": "rgb", "image_size": [32, 48]', (3, 32, 48)),
        (', "volume": {"size": [8, 32, 48]}', (1, 8, 32, 48)),
        (', "volume": {"samples": "slices"}, "image_size": [32, 48]', (1, 32, 48)),
        (', "volume": {"size": [8, 32, 48], "fourth_axis": "channels", "channels": 4}', (4, 8, 32, 48)),
    ],
)
def test_the_shape_of_a_stored_image(text: str, shape: tuple[int, ...]) -> None:
    assert _options(f'{{"source": "x"{text}}}').stored_shape == shape
