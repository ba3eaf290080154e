"""Real files to break: those that pydicom, pydicom-data and nibabel bring along, NIH radiographs, and made ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import made
import numpy as np
from pydicom.uid import ExplicitVRLittleEndian

MAX_BYTES = 1_000_000
"""Larger files only make the run slower: what breaks a reader is in the first few thousand bytes."""


@dataclass(frozen=True)
class Original:
    """A file, and the ending of its name."""

    ending: str
    data: bytes


def originals(*, seed: int) -> tuple[list[Original], list[Original]]:
    """Made ones and bundled ones, each in a fixed order."""
    bundled = [Original("".join(path.suffixes), path.read_bytes()) for path in _bundled()]
    return made_originals(name=f"original {seed}", rng=np.random.default_rng(seed)), bundled


def made_originals(*, name: str, rng: np.random.Generator) -> list[Original]:
    """All formats and encodings in small; another `name` gives other UIDs."""
    result = []
    for syntax in (ExplicitVRLittleEndian, *made.PLUGINS):
        stored = made.radiograph(side=96, rng=rng, bits=12)
        picture = made.dicom(stored, name=f"{name} {syntax}", syntax=syntax, BitsStored=12, HighBit=11)
        result.append(Original(".dcm", picture))
    for kind in ("png", "jpeg", "tiff"):
        pictures = [made.raster(kind, side=64, rng=rng, colour=colour) for colour in (False, True)]
        result += [Original(f".{kind}", picture) for picture in pictures]
    for ending, zipped in ((".nii", False), (".nii.gz", True)):
        result.append(Original(ending, made.nifti(24, 20, 16, rng=rng, zipped=zipped)))
    return result


def _bundled() -> Iterator[Path]:
    """Files below site-packages and `MEDTRIMIX_DATA` that are images, or that pretend to be."""
    data = Path(os.environ.get("MEDTRIMIX_DATA", "absent"))
    places = [
        (_package("pydicom"), "data/test_files/**/*"),
        (_package("data_store"), "data/*.dcm"),
        (_package("nibabel"), "tests/data/*.nii*"),
        (_package("nibabel"), "tests/data/*.dcm"),
        (data / "nih_cxr", "images/*10/**/*"),
    ]
    for folder, pattern in places:
        if folder is not None:
            yield from sorted(path for path in folder.glob(pattern) if path.is_file() and _fits(path))


def _fits(path: Path) -> bool:
    return 0 < path.stat().st_size <= MAX_BYTES and path.suffix not in (".py", ".pyc", ".txt", ".json", ".dump")


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
