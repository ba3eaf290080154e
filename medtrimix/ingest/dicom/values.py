"""Values of DICOM elements, several times faster than by attribute: an element that is absent costs a look into a dict.

Texts of codes, decimal strings and binary numbers are read from their bytes. Everything else is left to pydicom.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medtrimix.ingest.verdict import Refused, Verdict

_CODES = ("CS", "UI")  # plain ASCII in every character set
_DECIMAL = ("DS", "IS")
_BINARY = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}


def text(header: Dataset, keyword: str) -> str:
    """A value as text without padding, "" if it is absent."""
    raw = _raw(header, keyword)
    if raw is not None and raw[0] in _CODES:
        return raw[1].decode("ascii", "replace").strip(" \0")
    value = _parsed(header, keyword)
    return "" if value is None else str(value).strip(" \0")


def words(header: Dataset, keyword: str) -> tuple[str, ...]:
    """The texts of a value, none if it is absent."""
    raw = _raw(header, keyword)
    if raw is not None and raw[0] in _CODES:
        whole = raw[1].decode("ascii", "replace").strip(" \0")
        return tuple(word.strip() for word in whole.split("\\")) if whole else ()
    value = _parsed(header, keyword) or ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """The numbers of a value, none if it is absent.

    Raises:
        ValueError: they are none.
    """
    raw = _raw(header, keyword)
    if raw is not None and raw[0] in _DECIMAL:
        whole = raw[1].strip(b" \0")
        return tuple(map(float, whole.split(b"\\"))) if whole else ()
    if raw is not None and raw[0] in _BINARY:
        code = _BINARY[raw[0]]
        count = len(raw[1]) // struct.calcsize(f"={code}")
        return tuple(map(float, struct.unpack_from(f"{raw[2]}{count}{code}", raw[1])))
    value = _parsed(header, keyword)
    if value is None or value == "":
        return ()
    return tuple(map(float, value)) if isinstance(value, Sequence) else (float(value),)


def whole_number(header: Dataset, keyword: str, *, default: int | None = None) -> int:
    """The first number of a value; `default` if it is absent.

    Raises:
        Refused: invalid_header, if it is not whole, or absent without a default.
        ValueError: it is no number.
    """
    values = numbers(header, keyword)
    if values and values[0].is_integer():
        return int(values[0])
    if values or default is None:
        raise Refused(Verdict.invalid_header)
    return default


def items(header: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence, none if it is absent."""
    sequence: Sequence[Dataset] = _parsed(header, keyword) or ()
    return sequence


def _raw(header: Dataset, keyword: str) -> tuple[str, bytes, str] | None:
    """Value representation, bytes and byte order of an element that nobody has parsed yet."""
    tag = _tag(keyword)
    element = header.get_item(tag)
    if not isinstance(element, RawDataElement) or not isinstance(element.value, bytes):
        return None
    return element.VR or dictionary_VR(tag), element.value, "<" if element.is_little_endian else ">"


def _parsed(header: Dataset, keyword: str) -> Any:
    """What pydicom makes of a value, None if it is absent."""
    tag = _tag(keyword)
    return None if header.get_item(tag) is None else header[tag].value


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)
