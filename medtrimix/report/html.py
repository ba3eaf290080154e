"""What the pages have in common: one HTML file each, that asks nothing of any other."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medtrimix.report.wording import count

_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A figure inside the page: `alt` says what it shows to those who can't see it."""

    name: str
    uri: str
    alt: str


def embed(path: Path, *, alt: str) -> Picture:
    """The picture's file as a `data:` address."""
    return Picture(path.stem, data_uri(path.read_bytes(), ending=path.suffix), alt)


def data_uri(content: bytes, *, ending: str) -> str:
    """The content of a `.svg` or `.png` file as an address that holds all of it."""
    return f"data:{_MEDIA[ending]};base64,{base64.b64encode(content).decode('ascii')}"


def environment() -> Environment:
    """The templates; every text from outside is escaped."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["count"] = count
    return found
