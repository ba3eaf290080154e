"""YAML to a typed configuration: every mistake in one go, each with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from medtrimix.config.model import Config
from medtrimix.config.problems import Complaint, KeyPath, complaints, not_unicode
from medtrimix.errors import ConfigError, InputError, Problem

ConfigT = TypeVar("ConfigT", bound=Config)

_DEEPEST = 100
"""Sections within sections; pydantic reads 200, and no study needs ten."""


class Document:
    """A YAML file as plain data, with the line of every key.

    Args:
        path: the file; None for a document that consists of overrides.
        overrides: `a.b=c` texts; each sets one key, `c` read as YAML.
    """

    def __init__(self, path: Path | None, *, overrides: tuple[str, ...] = ()) -> None:
        self.name = "--set" if path is None else path.name
        self._tree, self.data = (CommentedMap(), {}) if path is None else _read(path)
        for override in overrides:
            self._override(override)

    def _override(self, text: str) -> None:
        """Sets one key. No message repeats the value, which can be a path or hold a password."""
        key, separator, value = text.partition("=")
        if not separator or not all(key.split(".")):
            raise InputError("What follows --set is not of the form a.b=c.", fix="Example: --set learn.label_seeds=5")
        try:
            parsed = _parsed(value, source=f"--set {key}")[1]
        except ConfigError:
            raise InputError(f"--set {key}: the value is not YAML.", fix="Quote texts with special signs.") from None
        target = self.data
        *parents, last = key.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise InputError(f"--set {key}: '{parent}' is a value, not a section.", fix="Set it as a whole.")
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
        if unreadable := tuple(not_unicode(self.data)):
            return None, tuple(self._problem(Complaint(path, "should be text in UTF-8")) for path in unreadable)
        try:
            # Through JSON: strict mode then takes lists for tuples, which YAML can't write.
            return model.model_validate_json(json.dumps(self.data)), ()
        except ValidationError as error:
            found = complaints(error, data=self.data, schema=model.model_json_schema())
            return None, tuple(self._problem(one) for one in found)

    def _problem(self, complaint: Complaint) -> Problem:
        key = ".".join(map(str, complaint.path)) or "(file)"
        return Problem(line=self.line(complaint.path), key=key, message=complaint.message)


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


def _read(path: Path) -> tuple[CommentedMap, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", fix="Give the path of a pipeline file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read: {type(error).__name__}.", fix="It must be UTF-8 text.") from None
    tree, data = _parsed(text, source=path.name)
    if not isinstance(tree, CommentedMap):
        raise ConfigError(source=path.name, problems=(Problem(1, "(file)", "should be a mapping of keys"),))
    return tree, data


def _parsed(text: str, *, source: str) -> tuple[Any, Any]:
    """What YAML makes of `text`, with its lines and as plain data.

    Raises:
        ConfigError: it is not YAML; the message repeats no value.
    """
    try:
        tree = YAML(typ="rt").load(text)
        return tree, _plain(tree)
    except DuplicateKeyError as error:  # its own message has both values
        line, what = _line_of(error), "a key stands here for the second time"
    except MarkedYAMLError as error:
        line, what = _line_of(error), " ".join(str(error.problem or "not YAML").split())
    except ReaderError as error:
        line, what = text.count("\n", 0, error.position) + 1, "a control character; the file must be UTF-8 text"
    except RecursionError:
        line, what = 0, "nested too deeply"
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, YAMLError):
        line, what = 0, "a value or a tag can't be read"  # ruamel leaves to Python what Python makes of numbers
    raise ConfigError(source=source, problems=(Problem(line, "(syntax)", what),))


def _line_of(error: MarkedYAMLError) -> int:
    return error.problem_mark.line + 1 if error.problem_mark else 0


def _plain(node: Any, *, depth: int = 0) -> Any:
    """Ruamel's annotated values as the plain ones of JSON.

    Raises:
        RecursionError: deeper than pydantic reads.
    """
    if depth > _DEEPEST:
        raise RecursionError
    match node:
        case dict():
            return {str(key): _plain(value, depth=depth + 1) for key, value in node.items()}
        case list():
            return [_plain(value, depth=depth + 1) for value in node]
        case bool() | None:
            return node
        case int():
            return int(node)
        case float():
            return float(node)
        case _:
            return str(node)
