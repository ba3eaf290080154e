"""Reading pipeline files: every mistake at once, each with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import Discriminator, Field, Tag, model_validator

from medtrimix.config.model import Config, Contradiction
from medtrimix.config.paths import expand
from medtrimix.config.yaml import load
from medtrimix.errors import ConfigError, InputError


class Circle(Config):
    shape: Literal["circle"] = "circle"
    radius: float = 1.0


class Square(Config):
    shape: Literal["square"] = "square"
    side: float = 1.0

    @model_validator(mode="after")
    def _has_an_area(self) -> Self:
        if not self.side:
            raise ValueError("a square needs a side")
        return self


def _shape(value: Any) -> str:
    return str(value.get("shape", "circle")) if isinstance(value, dict) else "circle"


def _list_or_names(value: Any) -> str:
    return "names" if isinstance(value, dict) else "list"


Shape = Annotated[Circle | Square, Field(discriminator="shape")]
ShapeOrCircle = Annotated[Annotated[Circle, Tag("circle")] | Annotated[Square, Tag("square")], Discriminator(_shape)]
Count = Annotated[int, Field(ge=1)]


class Drawing(Config):
    title: str
    size: tuple[int, int] = (1, 1)
    shapes: dict[Annotated[str, Field(max_length=9)], Shape] = Field(default_factory=dict)
    frame: ShapeOrCircle = Circle()
    layers: Annotated[
        Annotated[tuple[Shape, ...], Tag("list")] | Annotated[dict[str, Shape], Tag("names")],
        Discriminator(_list_or_names),
    ] = ()
    copies: Literal["auto"] | Count | tuple[Count, ...] = 1
    colour: str = "black"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.colour == "white":
            raise Contradiction("paper is white", at=("colour",))
        if self.colour == "red":
            raise ValueError("no ink")
        return self


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
    assert problems(path, "color=red")[0][1] == "color"


@pytest.mark.parametrize("override", ["size", "=3", "title.first=x", "size=[1"])
def test_an_override_that_is_none_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(InputError):
        load(written(tmp_path, "title: a\n"), Drawing, overrides=(override,))


@pytest.mark.parametrize("text", ["title: a\ntitle: b\n", "title: [a\n", "- a\n- b\n", "", "title: 'a\n"])
def test_what_is_no_mapping_is_refused_with_a_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), Drawing)
    assert caught.value.problems[0].line >= 1


@pytest.mark.parametrize(
    ("override", "key", "message"),
    [
        ("shapes.one={shape: line}", "shapes.one.shape", "unknown shape 'line'; known: 'circle', 'square'"),
        ("shapes.one={shape: square, radius: 1}", "shapes.one.radius", "unknown key; known: shape, side"),
        ("shapes.one={radius: 1}", "shapes.one", "the key 'shape' is missing"),
        ("frame={shape: line}", "frame.shape", "unknown shape 'line'; known: 'circle', 'square'"),
        ("frame={shape: square, radius: 1}", "frame.radius", "unknown key; known: shape, side"),
        ("frame={radus: 1}", "frame.radus", "unknown key; did you mean 'radius'?"),
        ("frame={shape: square, sid: 1}", "frame.sid", "unknown key; did you mean 'side'?"),
        ("layers=[{shape: square, sid: 1}]", "layers.0.sid", "unknown key; did you mean 'side'?"),
        ("layers={names: {shape: square, sid: 1}}", "layers.names.sid", "unknown key; did you mean 'side'?"),
        ("shapes.one={shape: square, side: 0}", "shapes.one", "a square needs a side"),
        ("layers=[{shape: square, side: 0}]", "layers.0", "a square needs a side"),
        ("shapes.one={shape: circle, radius: .inf}", "shapes.one.radius", "should be a finite number, not Infinity"),
        ("shapes.one={shape: circle, radius: .nan}", "shapes.one.radius", "should be a finite number, not NaN"),
        ("shapes.much_too_long={shape: circle}", "shapes.much_too_long", "String should have at most 9 characters"),
        ("size=[4]", "size", "value 2 is missing"),
        ("copies=0", "copies", "should be greater than or equal to 1, not 0"),
        ("copies=[0]", "copies.0", "should be greater than or equal to 1, not 0"),
        ("colour=white", "colour", "paper is white"),
        ("colour=red", "(file)", "no ink"),
    ],
)
def test_a_mistake_is_told_once_where_the_user_wrote_it(tmp_path: Path, override: str, key: str, message: str) -> None:
    path = written(tmp_path, "title: a\nshapes: {}\ncolour: black\n")
    [(line, found, told)] = problems(path, override)
    assert (found, told.split(', not "')[0]) == (key, message)
    assert line == {"shapes": 2, "colour": 3}.get(key.partition(".")[0], 0)


_PATH = "/data/Mueller_Hans"


@pytest.mark.parametrize(
    "text",
    [
        f"title: a\ntitle: {_PATH}\n",
        f"title: a\nshapes: {_PATH}\n",
        "title: a\nlayers: {one: Mueller_Hans}\n",
        f"title: a\nsize: {_PATH}\n",
        f"title: a\ncopies: {_PATH}\n",
        f'title: "\\ud83d"\ncolour: {_PATH}\n',
        f'"\\ud83d": {_PATH}\n',
        f"title: [a\ncolour: {_PATH}\n",
        f"title: a\ncolour: {_PATH}\x01\n",
    ],
)
def test_no_message_repeats_what_may_be_a_path(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), Drawing)
    assert "Mueller" not in str(caught.value)
    str(caught.value).encode()  # can be printed


@pytest.mark.parametrize(
    "override", [f"title{_PATH}", f"=x{_PATH}", f"colour=[{_PATH}", f"title.first={_PATH}", f"colour={_PATH}\udcff"]
)
def test_no_message_repeats_the_value_of_an_override(tmp_path: Path, override: str) -> None:
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, "title: a\n"), Drawing, overrides=(override,))
    assert "Mueller" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title: a\ncolour: \x01\n", 2),
        ("title: a\n\n\0\n", 3),
        ("title: a\n".encode("utf-16-le").decode(), 1),
        (f"title: {'9' * 5000}\n", 0),
        ("title: !!omap {a: 1}\n", 1),
        ("title: !!int x\n", 0),
        ("title: 2020-99-99\n", 0),
        (f"title: {'[' * 500}{']' * 500}\n", 0),
        (f"title: {'[' * 150}{']' * 150}\n", 0),
    ],
    ids=["control", "nul", "utf-16", "digits", "omap", "int", "date", "deep", "deeper than pydantic"],
)
def test_odd_yaml_is_a_syntax_error(tmp_path: Path, text: str, line: int) -> None:
    [(found, key, _)] = problems(written(tmp_path, text))
    assert (found, key) == (line, "(syntax)")
    with pytest.raises(InputError, match="--set title: the value is not YAML"):
        load(written(tmp_path, "title: a\n"), Drawing, overrides=(f"title={text.partition(': ')[2] or text}",))


def test_the_home_of_a_user_whom_nobody_knows_is_no_folder() -> None:
    assert not expand("~nobody-of-this-name/x").exists()


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load(tmp_path / "absent.yaml", Drawing)
