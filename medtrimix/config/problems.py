"""What is wrong with a configuration, in the terms of the file that its author wrote."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

KeyPath = tuple[str | int, ...]

_SECTION_EXPECTED = {"model_type", "model_attributes_type", "dict_type", "mapping_type", "tuple_type"}


@dataclass(frozen=True)
class Complaint:
    """One mistake.

    Attributes:
        path: keys and places in lists that lead to it, () for the file as a whole.
        message: what should be there instead.
        wrong_kind: the value is none of this kind at all; of the kinds that a key takes, others may fit better.
    """

    path: KeyPath
    message: str
    wrong_kind: bool = False


def complaints(error: ValidationError, *, data: Any, schema: dict[str, Any]) -> list[Complaint]:
    """Everything that `error` says about `data`; where a key takes several kinds, what the fitting kind says."""
    found = [_complaint(details, data=data, schema=schema) for details in error.errors(include_url=False)]
    told = {one.path for one in found if not one.wrong_kind}
    told |= {one.path[:length] for one in found for length in range(len(one.path))}
    return [one for one in dict.fromkeys(found) if not one.wrong_kind or one.path not in told]


def not_unicode(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where keys and texts are that no UTF-8 can hold, such as a file's name in another encoding."""
    if isinstance(data, str):
        if not data.isascii() and any("\ud800" <= sign <= "\udfff" for sign in data):
            yield path
    elif isinstance(data, dict):
        for key, value in data.items():
            bad_key = next(not_unicode(key, path), None)
            yield from not_unicode(value, (*path, key)) if bad_key is None else (path,)
    elif isinstance(data, list):
        for place, value in enumerate(data):
            yield from not_unicode(value, (*path, place))


def _complaint(details: Mapping[str, Any], *, data: Any, schema: dict[str, Any]) -> Complaint:
    kind, location, context = details["type"], details["loc"], details.get("ctx", {})
    path = _path_in_file(location, data=data)
    match kind:
        case "extra_forbidden":
            known = _known_keys(schema, location[:-1], definitions=schema.get("$defs", {}))
            return Complaint(path, _unknown_key(str(path[-1]), known=known))
        case "missing" if isinstance(location[-1], int):
            return Complaint(path, f"value {location[-1] + 1} is missing")
        case "missing":
            return Complaint((*path, location[-1]), "this key is missing")
        case "union_tag_invalid":
            key = context["discriminator"].strip("'_()")  # of a function `_kind`, which reads the key `kind`
            return Complaint((*path, key), f"unknown {key} '{context['tag']}'; known: {context['expected_tags']}")
        case "union_tag_not_found":
            return Complaint(path, f"the key {context['discriminator']} is missing")
        case "value_error":
            return Complaint((*path, *getattr(context["error"], "at", ())), str(context["error"]))
    message = details["msg"].replace("Input should", "should")
    if _may_be_shown(details):
        message += f", not {json.dumps(details['input'])}"
    return Complaint(path, message, wrong_kind=kind.endswith("_type") or kind == "literal_error")


def _may_be_shown(details: Mapping[str, Any]) -> bool:
    """Whether the value can be repeated: a path can name a patient, and where a section should be one may stand."""
    value = details["input"]
    if not isinstance(value, str | int | float | bool) or details["type"] in _SECTION_EXPECTED:
        return False
    return not isinstance(value, str) or not {"/", "\\"} & set(value)


def _path_in_file(location: KeyPath, *, data: Any) -> KeyPath:
    """Pydantic's location as far as it stands in the file, without the names of union members, which no user wrote."""
    path: list[str | int] = []
    for part in location:
        inside = isinstance(data, dict) and part in data
        if inside or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]
            path.append(part)
    return tuple(path)


def _unknown_key(key: str, *, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"unknown key; did you mean '{close[0]}'?"
    return f"unknown key; known: {', '.join(known)}" if known else "unknown key"


def _known_keys(node: dict[str, Any], location: KeyPath, *, definitions: dict[str, Any]) -> tuple[str, ...]:
    """The keys that the JSON schema allows at pydantic's `location`, in which a tagged union's member is named."""
    node = _resolved(node, definitions)
    if "discriminator" in node and location:
        member = node["discriminator"]["mapping"].get(location[0])
        return _known_keys({"$ref": member}, location[1:], definitions=definitions) if member else ()
    if members := node.get("anyOf") or node.get("oneOf"):
        members = [_resolved(member, definitions) for member in members]
        # Unions that a function tells apart have no mapping: the tag is a constant of the member's own.
        members.sort(key=lambda member: not {*location[:1]} & {*_constants(member)})
        ways = ((member, rest) for member in members for rest in (location, location[1:]))
        return next(filter(None, (_known_keys(*way, definitions=definitions) for way in ways)), ())
    if not location:
        return tuple(node.get("properties", ()))
    inner = node.get("properties", {}).get(location[0]) or node.get("additionalProperties") or node.get("items")
    return _known_keys(inner, location[1:], definitions=definitions) if isinstance(inner, dict) else ()


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    return definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _constants(node: dict[str, Any]) -> Iterator[Any]:
    return (key["const"] for key in node.get("properties", {}).values() if "const" in key)
