"""Looking for identifiers in everything that a folder holds, in whatever spelling and container they travel.

A spelling is UTF-8, -16 or -32, as it is or once more in hexadecimal digits or base64, at any alignment. Containers are
opened: zip files (npz, PyTorch checkpoints), gzip, SQLite, parquet.
"""

from __future__ import annotations

import base64
import gzip
import io
import os
import re
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pandas as pd

IDENTIFIERS: Mapping[str, bytes] = {
    "name": rb"CANARY",
    "patient number": rb"MRN\d{4}",  # four digits: three letters and one digit occur by chance in a few megabytes
    "accession number": rb"ACC\d{8}",
    "study date": rb"19010203",
    "uid": rb"1\.2\.826\.0\.1\.3680043\.10\.1437",
}
"""What the made-up patients of nih_cxr are known by; regular expressions."""

_HEX = re.compile(rb"[0-9A-Fa-f]{12,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def leaks(folder: Path, *, patterns: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """(file, pattern) for every pattern that is in a file below `folder`, or in its name."""
    found = set()
    for path in sorted(folder.rglob("*")):
        relative = str(path.relative_to(folder))
        found |= {(relative, name) for name in found_in(os.fsencode(relative), patterns=patterns)}
        if path.is_symlink():
            found |= {(relative, name) for name in found_in(os.fsencode(path.readlink()), patterns=patterns)}
        elif path.is_file():
            for content in _contents(path):
                found |= {(relative, name) for name in found_in(content, patterns=patterns)}
    return found


def found_in(data: bytes, *, patterns: Mapping[str, bytes]) -> set[str]:
    """Names of the patterns that are in `data` in any spelling."""
    readings = [*_spellings(data)]
    for text in _spellings(data):
        readings += [spelling for decoded in _decoded(text) for spelling in _spellings(decoded)]
    return {name for name, pattern in patterns.items() if any(re.search(pattern, reading) for reading in readings)}


def _spellings(data: bytes) -> Iterator[bytes]:
    """The bytes, and every second and fourth of them: UTF-16 and -32 of plain letters, whatever comes first."""
    for width in (1, 2, 4):
        for start in range(width):
            yield data[start::width]


def _decoded(text: bytes) -> Iterator[bytes]:
    """All stretches of hexadecimal digits and of base64, decoded at every alignment."""
    for start in range(2):
        runs = (run[start:] for run in _HEX.findall(text))
        yield b"\n".join(bytes.fromhex(run[: len(run) // 2 * 2].decode()) for run in runs)
    unbroken = text.translate(None, b"\r\n")
    runs_of_all = _BASE64.findall(unbroken)
    for start in range(4):
        runs = (run[start:].translate(_URL_SAFE) for run in runs_of_all)
        yield b"\n".join(base64.b64decode(run + b"A" * (-len(run) % 4)) for run in runs)


def _contents(path: Path) -> Iterator[bytes]:
    """The file's bytes, and those of everything that is packed in it."""
    data = path.read_bytes()
    yield from _unpacked(data)
    if data.startswith(b"SQLite format 3\0"):
        yield from _rows(path)
    elif data.startswith(b"PAR1"):
        yield pd.read_parquet(path).to_csv().encode()


def _unpacked(data: bytes) -> Iterator[bytes]:
    yield data
    if data.startswith(b"PK") and zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield from _unpacked(archive.read(member))
    elif data.startswith(b"\x1f\x8b"):
        yield from _unpacked(gzip.decompress(data))


def _rows(path: Path) -> Iterator[bytes]:
    """Every table as text: long values of SQLite are scattered over its pages."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            cells = (cell for row in database.execute(f'select * from "{table}"') for cell in row)
            yield b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
