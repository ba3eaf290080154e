"""Reading pipeline files: every mistake at once, each with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from medtrimix.config.model import Config
from medtrimix.config.yaml import load
from medtrimix.errors import ConfigError, InputError


class Circle(Config):
    shape: Literal["circle"] = "circle"
    radius: float = 1.0


class Square(Config):
    shape: Literal["square"] = "square"
    side: float = 1.0


class Drawing(Config):
    title: str
    size: tuple[int, int] = (1, 1)
    shapes: dict[str, Annotated[Circle | Square, Field(discriminator="shape")]] = Field(default_factory=dict)


FIVE_MISTAKES = """\
titel: a
size: [2, x]
shapes:
  one: {shape: circle, radius: wide}
  two: {shape: line}
  three:
    shape: square
    sid: 3
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "drawing.yaml"
    path.write_text(text)
    return path


def problems(path: Path, *overrides: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigError) as caught:
        load(path, Drawing, overrides=overrides)
    return [(problem.line, problem.key, problem.message) for problem in caught.value.problems]


def test_lists_become_tuples_and_scientific_notation_is_a_number(tmp_path: Path) -> None:
    path = written(tmp_path, "title: a\nsize: [2, 3]\nshapes:\n  one: {shape: circle, radius: 1e-3}\n")
    drawing = load(path, Drawing)
    assert drawing.size == (2, 3)
    assert drawing.shapes["one"] == Circle(radius=0.001)


def test_all_mistakes_come_in_one_go_with_their_lines(tmp_path: Path) -> None:
    found = problems(written(tmp_path, FIVE_MISTAKES))
    assert [(line, key) for line, key, _ in found] == [
        (0, "title"),
        (1, "titel"),
        (2, "size.1"),
        (4, "shapes.one.radius"),
        (5, "shapes.two.shape"),
        (8, "shapes.three.sid"),
    ]
    messages = {key: message for _, key, message in found}
    assert "did you mean 'title'" in messages["titel"]
    assert "'circle', 'square'" in messages["shapes.two.shape"]
    assert "did you mean 'side'" in messages["shapes.three.sid"]


def test_overrides_set_one_key_and_are_checked_too(tmp_path: Path) -> None:
    path = written(tmp_path, "title: a\n")
    assert load(path, Drawing, overrides=("size=[4, 5]", "shapes.one.shape=square")).shapes == {"one": Square()}
    assert problems(path, "colour=red")[0][1] == "colour"


@pytest.mark.parametrize("override", ["size", "=3", "title.first=x", "size=[1"])
def test_an_override_that_is_none_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(InputError):
        load(written(tmp_path, "title: a\n"), Drawing, overrides=(override,))


@pytest.mark.parametrize("text", ["title: a\ntitle: b\n", "title: [a\n", "- a\n- b\n", "", "title: 'a\n"])
def test_what_is_no_mapping_is_refused_with_a_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), Drawing)
    assert caught.value.problems[0].line >= 1


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load(tmp_path / "absent.yaml", Drawing)
