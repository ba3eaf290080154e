"""Labels from a CSV, joined on the path of a file or on the patient.

Messages name columns and rows (the heading is row 1, as in a spreadsheet), never what stands in them.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medtrimix.errors import SourceError
from medtrimix.ingest.pseudonym import Pseudonyms, normalised

SPLITS = ("", "train", "val", "test")


@dataclass(frozen=True)
class Row:
    """What a CSV says about a file: class name ("" = unlabelled), split ("" = none), patient ("" = not said)."""

    label: str = ""
    split: str = ""
    patient_id: str = ""


UNLABELLED = Row()


@dataclass(frozen=True)
class Labels:
    """Rows by absolute path, or by what `patient_key` makes of a patient's number."""

    key: Literal["path", "patient_id"]
    rows: Mapping[str, Row]

    def of(self, *, path: Path, patient_key: str) -> Row:
        """The row of a file, or `UNLABELLED`."""
        return self.rows.get(os.fspath(path) if self.key == "path" else patient_key, UNLABELLED)


def patient_key(identifier: str, *, pseudonyms: Pseudonyms) -> str:
    """What stands for a patient's number in a join; unlike the pseudonym it ignores who issued the number."""
    return pseudonyms.keyed_digest(f"label join {normalised(identifier)}")


def read_labels(path: Path, *, column: str, pseudonyms: Pseudonyms) -> Labels:
    """Labels for a folder, keyed by `path` if there is such a column, else by `patient_id`.

    Raises:
        SourceError: no such file, a column is missing, or two rows contradict each other.
    """
    table = _read_table(path, key="data.labels")
    _require(table, (column,))
    if "path" in table.columns:
        folder = path.resolve().parent
        return Labels(
            "path", _unique(table, by="path", named=lambda cell: os.path.normpath(folder / cell), column=column)
        )
    _require(table, ("patient_id",))
    return Labels(
        "patient_id",
        _unique(table, by="patient_id", named=lambda cell: patient_key(cell, pseudonyms=pseudonyms), column=column),
    )


def read_manifest(path: Path, *, column: str) -> dict[str, Row]:
    """Rows of a manifest by path relative to its folder.

    Raises:
        SourceError: no such file, a column is missing, or two rows contradict each other.
    """
    table = _read_table(path, key="data.source")
    _require(table, ("path", column))
    return _unique(table, by="path", named=lambda cell: Path(cell).as_posix(), column=column)


@dataclass(frozen=True)
class _Table:
    key: str
    columns: tuple[str, ...]
    rows: list[dict[str, str]]


def _read_table(path: Path, *, key: str) -> _Table:
    problem = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # -sig: spreadsheets write a byte order mark
            lines = list(csv.reader(file, strict=True))
    except OSError:
        problem = "the CSV file can't be opened."
    except (UnicodeDecodeError, csv.Error):
        problem = "the file is not a CSV in UTF-8."
    if problem is not None:  # raised out here, so that no chained error shows a path or a value
        raise SourceError(problem, where=key, fix="Check the path; paths are relative to the current folder.")
    if not lines:
        raise SourceError("the CSV file is empty.", where=key)
    columns = tuple(name.strip() for name in lines[0])
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) not in (0, len(columns)):
            raise SourceError(f"row {number} has {len(line)} cells under {len(columns)} headings.", where=key)
        rows.append(dict(zip(columns, (cell.strip() for cell in line or [""] * len(columns)), strict=True)))
    return _Table(key, columns, rows)


def _require(table: _Table, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in table.columns:
            raise SourceError(
                f"the CSV has no column '{name}'.",
                where=table.key,
                fix="Labels need the label column (set `label:` to its name) and `path` or `patient_id`.",
            )


def _unique(table: _Table, *, by: str, named: Callable[[str], str], column: str) -> dict[str, Row]:
    found: dict[str, tuple[int, Row]] = {}
    for number, cells in enumerate(table.rows, start=2):
        if not any(cells.values()):
            continue  # an empty line
        if not cells[by]:
            raise SourceError(f"row {number}: column '{by}' is empty.", where=table.key)
        row = Row(label=cells[column], split=cells.get("split", ""), patient_id=cells.get("patient_id", ""))
        if row.split not in SPLITS:
            raise SourceError(f"row {number}: column 'split' takes train, val, test or nothing.", where=table.key)
        first, before = found.setdefault(named(cells[by]), (number, row))
        if before != row:
            raise SourceError(f"rows {first} and {number} have one '{by}' and contradict each other.", where=table.key)
    return {name: row for name, (_, row) in found.items()}
