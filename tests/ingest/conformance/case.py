"""One row of the table of conformance, and where the files of others lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from judge import Content

from medtrimix.ingest.options import DataOptions, VolumeOptions

OUR_RULE = "documented"
"""Begins `Case.truth_from` where medtrimix could as well have decided otherwise, and says so in its documentation."""
PICTURES = DataOptions(source="unused", frames="samples")
VOLUMES = DataOptions(source="unused", volume=VolumeOptions())


@dataclass(frozen=True)
class Case:
    """An input with its truth.

    Attributes:
        name: what is special about it, unique in the table.
        truth_from: who says what is right.
        make: puts the input below an empty folder, or finds it elsewhere; its path, and what a reader should find.
        options: how it is to be read.
    """

    name: str
    truth_from: str
    make: Callable[[Path], tuple[Path, Content]]
    options: DataOptions = field(default=PICTURES)

    @property
    def is_our_rule(self) -> bool:
        """Whether another reader may do otherwise and be right."""
        return self.truth_from.startswith(OUR_RULE)


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None, name
    assert spec.submodule_search_locations is not None, name
    return Path(spec.submodule_search_locations[0])


# All of them lie in installed wheels. pydicom's own lookup would download what it doesn't find.
PYDICOM = _package("pydicom") / "data" / "test_files"
PYDICOM_DATA = _package("data_store") / "data"
NIBABEL = _package("nibabel") / "tests" / "data"
NICOM = _package("nibabel") / "nicom" / "tests" / "data"


def bundled(name: str) -> Path:
    """A file of pydicom, pydicom-data or nibabel."""
    return next(folder / name for folder in (PYDICOM, PYDICOM_DATA, NIBABEL, NICOM) if (folder / name).exists())
