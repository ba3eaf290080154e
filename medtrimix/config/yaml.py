"""YAML to a typed configuration: every mistake in one go, each with its line."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from medtrimix.config.model import Config
from medtrimix.errors import ConfigError, InputError, Problem

ConfigT = TypeVar("ConfigT", bound=Config)
KeyPath = tuple[str | int, ...]


class Document:
    """A YAML file as plain data, with the line of every key.

    Args:
        path: the file; None for a document that consists of overrides.
        overrides: `a.b=c` texts; each sets one key, `c` read as YAML.
    """

    def __init__(self, path: Path | None, *, overrides: tuple[str, ...] = ()) -> None:
        self.name = "--set" if path is None else path.name
        self._tree = CommentedMap() if path is None else _parse(path)
        self.data: dict[str, Any] = _plain(self._tree)
        for override in overrides:
            self._override(override)

    def _override(self, text: str) -> None:
        key, separator, value = text.partition("=")
        if not separator or not all(key.split(".")):
            raise InputError(f"'--set {text}' is not of the form a.b=c.", fix="Example: --set learn.label_seeds=5")
        try:
            parsed = _plain(YAML(typ="rt").load(value))
        except MarkedYAMLError:
            raise InputError(f"'--set {text}': the value is not YAML.", fix="Quote texts with special signs.") from None
        target = self.data
        *parents, last = key.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise InputError(f"'--set {text}': '{parent}' is a value, not a section.", fix="Set it as a whole.")
        target[last] = parsed

    def line(self, path: KeyPath) -> int:
        """The line of the deepest part of `path` that stands in the file, from 1; 0 when nothing of it does."""
        node: Any = self._tree
        line = 0
        for part in path:
            if isinstance(node, CommentedMap) and part in node:
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line = node.lc.item(part)[0] + 1
            else:
                break
            node = node[part]
        return line

    def validate(self, model: type[ConfigT]) -> tuple[ConfigT | None, tuple[Problem, ...]]:
        """The configuration, or None and everything that is wrong with it."""
        try:
            # Through JSON: strict mode then takes lists for tuples, which YAML can't write.
            return model.model_validate_json(json.dumps(self.data)), ()
        except ValidationError as error:
            schema = model.model_json_schema()
            problems = {self._problem(details, schema=schema) for details in error.errors(include_url=False)}
            return None, tuple(problems)

    def _problem(self, details: Any, *, schema: dict[str, Any]) -> Problem:
        path = self._path_in_file(details["loc"])
        kind, context = details["type"], details.get("ctx", {})
        if kind == "extra_forbidden":
            message = _unknown_key(str(path[-1]), known=_known_keys(schema, path[:-1], self.data))
        elif kind == "missing":
            message = "this key is missing"
        elif kind == "union_tag_invalid":
            discriminator = context["discriminator"].strip("'")
            message = f"unknown {discriminator} '{context['tag']}'; known: {context['expected_tags']}"
            path = (*path, discriminator)
        elif kind == "union_tag_not_found":
            message = f"the key {context['discriminator']} is missing"
        else:
            message = details["msg"].removeprefix("Value error, ").replace("Input should", "should")
            if isinstance(details["input"], str | int | float | bool) and kind != "value_error":
                message += f", not {json.dumps(details['input'])}"
        return Problem(line=self.line(path), key=".".join(str(part) for part in path) or "(file)", message=message)

    def _path_in_file(self, location: KeyPath) -> KeyPath:
        """Pydantic's location without the names of union members, which no user wrote."""
        path: list[str | int] = []
        node: Any = self.data
        for position, part in enumerate(location):
            inside = isinstance(node, dict) and part in node
            inside = inside or (isinstance(node, list) and isinstance(part, int) and part < len(node))
            if inside:
                node = node[part]
                path.append(part)
            elif position == len(location) - 1 and isinstance(node, dict):
                path.append(part)  # a missing key
        return tuple(path)


def load(path: Path, model: type[ConfigT], *, overrides: tuple[str, ...] = ()) -> ConfigT:
    """Reads and validates one file.

    Raises:
        ConfigError: with every problem found, in the order of their lines.
    """
    document = Document(path, overrides=overrides)
    config, problems = document.validate(model)
    if config is None:
        raise ConfigError(source=document.name, problems=problems)
    return config


def dump(value: Any) -> str:
    """Plain data as YAML text, for people to read."""
    import io

    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 120
    yaml.dump(value, stream)
    return stream.getvalue()


def _parse(path: Path) -> CommentedMap:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", fix="Give the path of a pipeline file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read: {type(error).__name__}.", fix="It must be UTF-8 text.") from None
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        what = " ".join(str(error.problem or "not YAML").split())
        raise ConfigError(source=path.name, problems=(Problem(line, "(syntax)", what),)) from None
    if not isinstance(tree, CommentedMap):
        raise ConfigError(source=path.name, problems=(Problem(1, "(file)", "should be a mapping of keys"),))
    return tree


def _plain(node: Any) -> Any:
    """Ruamel's annotated values as the plain ones of JSON."""
    match node:
        case dict():
            return {str(key): _plain(value) for key, value in node.items()}
        case list():
            return [_plain(value) for value in node]
        case bool() | None:
            return node
        case int():
            return int(node)
        case float():
            return float(node)
        case _:
            return str(node)


def _unknown_key(key: str, *, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"unknown key; did you mean '{close[0]}'?"
    return f"unknown key; known: {', '.join(known)}" if known else "unknown key"


def _known_keys(schema: dict[str, Any], path: KeyPath, data: Any) -> tuple[str, ...]:
    """The keys that the JSON schema allows at `path`; a union's member is told by its tag in `data`."""
    node = _resolved(schema, schema, data)
    for part in path:
        data = data[part]
        inner = node.get("properties", {}).get(part) or node.get("additionalProperties") or node.get("items") or {}
        if not isinstance(inner, dict):
            return ()
        node = _resolved(inner, schema, data)
    return tuple(node.get("properties", ()))


def _resolved(node: dict[str, Any], schema: dict[str, Any], data: Any) -> dict[str, Any]:
    while True:
        if "discriminator" in node and isinstance(data, dict):
            tag = data.get(node["discriminator"]["propertyName"])
            node = {"$ref": node["discriminator"]["mapping"].get(tag, "#/$defs/")}
        elif members := node.get("anyOf") or node.get("oneOf"):
            kind = "object" if isinstance(data, dict) else "array"
            node = next((member for member in members if member.get("type", "object") == kind), {})
        if "$ref" not in node:
            return node
        node = schema.get("$defs", {}).get(node["$ref"].rpartition("/")[2], {})
