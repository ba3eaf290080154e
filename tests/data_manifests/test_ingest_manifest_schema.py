"""The schema of the ingest manifest in the README is that of the index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_type_hints

from medtrimix.ingest.sample import Record

README = Path(__file__).resolve().parents[2] / "data_manifests" / "README.md"
TYPES = {str: "text", int: "integer", float: "number"}


def documented(text: str) -> dict[str, str]:
    """Column -> type, in the order of the table."""
    section = text.split("## The ingest manifest")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (text|integer|number) \|", section, flags=re.MULTILINE))


def expected() -> dict[str, str]:
    return {name: TYPES[kind] for name, kind in get_type_hints(Record).items()} | {"shard": "integer", "row": "integer"}


def test_every_column_is_documented_with_its_type() -> None:
    assert list(documented(README.read_text()).items()) == list(expected().items())


def test_the_check_can_fail() -> None:
    text = README.read_text()
    assert documented(text.replace("| `modality` | text |", "| `modality` | number |")) != expected()
    assert documented(text.replace("| `row` | integer |", "| row |")) != expected()
