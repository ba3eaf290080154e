"""How the picture cases are made: each function gives the maker of a case, with its truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from case import bundled
from judge import Array, Content
from made_pictures import write
from oracles import as_eight_bits, decoded_by_gdcm, decoded_by_pydicom, shown
from pydicom.dataset import Dataset

from medtrimix.ingest.verdict import Verdict

Made = Callable[[Path], tuple[Path, Content]]

GDCM = "GDCM's values, pydicom's window"
GDCM_COLOUR = "GDCM"
PYDICOM_GREY = "pydicom's lookup tables and windows"
TWIN = "uncompressed twin"
MAKING = "its making"
STANDARD = "the standard"


def _with_header(path: Path, truth: Callable[[Dataset], Array], *, tolerance: float) -> tuple[Path, Content]:
    return path, Content(pictures=(truth(pydicom.dcmread(path, force=True)),), tolerance=tolerance)


def decoded(name: str, *, tolerance: float = 0) -> Made:
    """A file whose values GDCM decodes."""
    path = bundled(name)
    return lambda _: _with_header(path, lambda ds: shown(decoded_by_gdcm(path)[0], ds), tolerance=tolerance)


def twin(name: str, other: str, *, tolerance: float = 0) -> Made:
    """A file that comes with a copy that is not compressed."""
    path, twin = bundled(name), bundled(other)
    return lambda _: _with_header(path, lambda ds: shown(decoded_by_pydicom(twin), ds), tolerance=tolerance)


def looked_up(name: str) -> Made:
    """A file with lookup tables or inverted grey."""
    path = bundled(name)
    return lambda _: _with_header(path, lambda ds: shown(decoded_by_pydicom(path), ds), tolerance=0)


def colour(name: str, *, bits: int = 8, tolerance: float = 0) -> Made:
    """A colour file, of one or several frames, that GDCM turns into RGB."""

    def make(_: Path) -> tuple[Path, Content]:
        path = bundled(name)
        frames = as_eight_bits(decoded_by_gdcm(path), bits=bits)
        return path, Content(pictures=tuple(frames), tolerance=tolerance)

    return make


def colour_twin(name: str, other: str, *, bits: int = 8, tolerance: float = 0) -> Made:
    """A colour file that comes with a copy that is neither compressed nor YBR."""

    def make(_: Path) -> tuple[Path, Content]:
        frames = as_eight_bits(decoded_by_gdcm(bundled(other)), bits=bits)
        return bundled(name), Content(pictures=tuple(frames), tolerance=tolerance)

    return make


def high_bytes(name: str) -> Made:
    """A palette of 16-bit colours, of which the upper byte is the colour."""

    def make(_: Path) -> tuple[Path, Content]:
        path = bundled(name)
        return path, Content(pictures=((decoded_by_gdcm(path)[0] >> 8).astype(np.uint8),))

    return make


def made(ds: Dataset, truth: Array, *, tolerance: float = 0) -> Made:
    def make(folder: Path) -> tuple[Path, Content]:
        return write(ds, folder / "made.dcm"), Content(pictures=(np.rint(truth).astype(np.uint8),), tolerance=tolerance)

    return make


def refused(source: str | bytes | Dataset, verdict: Verdict, *, name: str = "x.dcm") -> Made:
    def make(folder: Path) -> tuple[Path, Content]:
        path = folder / name
        if isinstance(source, str):
            path = bundled(source)
        elif isinstance(source, bytes):
            path.write_bytes(source)
        else:
            write(source, path)
        return path, Content(refused=(verdict,))

    return make
