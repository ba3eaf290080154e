"""Labels from a table, joined on the path of a file, on its series or study, or on the patient.

Messages name columns and rows (the heading is row 1, as in a spreadsheet), never what stands in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from medtrimix.errors import SourceError
from medtrimix.findings import joined
from medtrimix.ingest.pseudonym import Pseudonyms, normalised
from medtrimix.ingest.tables import Table, read_table

SPLITS = ("", "train", "val", "test")
Key = Literal["path", "series_uid", "study_uid", "patient_id"]
_KEYS: tuple[Key, ...] = ("path", "series_uid", "study_uid", "patient_id")
_TRUTH = {"": "", "0": "0", "0.0": "0", "1": "1", "1.0": "1"}
LabelColumns = str | tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What a table says about a file: class name ("" = unlabelled); split, patient, site ("" = not said)."""

    label: str = ""
    split: str = ""
    patient_id: str = ""
    site: str = ""


UNLABELLED = Row()


@dataclass(frozen=True)
class JoinKeys:
    """What stands for a file's identifiers in a join; "" where it has none."""

    patient_id: str = ""
    study_uid: str = ""
    series_uid: str = ""


@dataclass(frozen=True)
class Labels:
    """Rows by absolute path of a file or of a folder above it, or by what `join_key` makes of an identifier."""

    key: Key
    rows: Mapping[str, Row]

    @classmethod
    def by_path(cls, rows: Mapping[str, Row]) -> Labels:
        """Of paths that are compared as they are written, then composed: macOS writes "ö" as two characters."""
        return cls("path", {normalize("NFC", path): row for path, row in rows.items()} | dict(rows))

    def of_path(self, path: str) -> Row:
        """The row of a file, else that of the nearest folder above it, else `UNLABELLED`."""
        if self.key != "path" or not self.rows:
            return UNLABELLED
        while (row := self.rows.get(path) or self.rows.get(normalize("NFC", path))) is None:
            path, below = os.path.dirname(path), path  # noqa: PTH120 - once per file and folder: pathlib takes 10 times as long
            if path in ("", below):
                return UNLABELLED
        return row

    def of_files(self, paths: Iterable[str], *, keys: JoinKeys) -> Row:
        """The row of a sample that was made of these files.

        Raises:
            SourceError: its files have rows that differ.
        """
        if self.key != "path":
            return self.rows.get(getattr(keys, self.key), UNLABELLED)
        found = {self.of_path(path) for path in paths} - {UNLABELLED}
        if len(found) > 1:
            raise SourceError(
                "slices of one volume have different labels.",
                where="data.labels",
                fix="Label volumes by their folder, by series_uid or by study_uid, or set data.volume.samples: slices.",
            )
        return found.pop() if found else UNLABELLED


def join_key(kind: Key, identifier: str, *, pseudonyms: Pseudonyms) -> str:
    """What stands for an identifier in a join; unlike a patient's pseudonym it ignores who issued the number."""
    text = normalised(identifier)
    return pseudonyms.keyed_digest(f"label join {kind} {text}") if text else ""


def read_labels(path: Path, *, column: LabelColumns, pseudonyms: Pseudonyms) -> Labels:
    """Labels for a folder or a service, keyed by the first of `path`, `series_uid`, `study_uid`, `patient_id`.

    Raises:
        SourceError: no such file, a column is missing, or two rows contradict each other.
    """
    table = read_table(path, where="data.labels")
    _require(table, _columns(column))
    key = next((name for name in _KEYS if name in table.columns), None)
    if key is None:
        raise SourceError(
            "the table has none of the columns " + ", ".join(f"'{name}'" for name in _KEYS) + ".",
            where=table.where,
            fix="One of them says which image a row is about.",
        )
    folder = path.resolve().parent

    def named(cell: str) -> str:
        return os.path.normpath(folder / cell) if key == "path" else join_key(key, cell, pseudonyms=pseudonyms)

    rows = _unique(table, by=key, named=named, column=column)
    return Labels.by_path(rows) if key == "path" else Labels(key, rows)


def read_manifest(path: Path, *, column: LabelColumns) -> dict[str, Row]:
    """Rows of a manifest by path relative to its folder.

    Raises:
        SourceError: no such file, a column is missing, or two rows contradict each other.
    """
    table = read_table(path, where="data.source")
    _require(table, ("path", *_columns(column)))
    return _unique(table, by="path", named=lambda cell: Path(cell).as_posix(), column=column)


def _columns(column: LabelColumns) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else column


def _require(table: Table, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in table.columns:
            raise SourceError(
                f"the table has no column '{name}'.",
                where=table.where,
                fix="`label:` names the label column; a manifest needs `path`, labels need one of " + ", ".join(_KEYS),
            )


def _unique(table: Table, *, by: str, named: Callable[[str], str], column: LabelColumns) -> dict[str, Row]:
    found: dict[str, tuple[int, Row]] = {}
    known: dict[Row, Row] = {}  # a long table has few different rows: they are kept once
    for number, cells in table.rows():
        if not cells[by]:
            raise SourceError(f"row {number}: column '{by}' is empty.", where=table.where)
        label = cells[column] if isinstance(column, str) else _findings(cells, names=column, row=number, table=table)
        row = Row(label, **{name: cells.get(name, "") for name in ("split", "patient_id", "site")})
        if row.split not in SPLITS:
            raise SourceError(f"row {number}: column 'split' takes train, val, test or nothing.", where=table.where)
        row = known.setdefault(_compared(row), row)
        first, before = found.setdefault(named(cells[by]), (number, row))
        if before != row:
            raise SourceError(
                f"rows {first} and {number} have one '{by}' and contradict each other.", where=table.where
            )
    return {name: row for name, (_, row) in found.items()}


def _compared(row: Row) -> Row:
    """Rows that differ in the spelling of a patient or a site only say the same."""
    return replace(row, patient_id=normalised(row.patient_id), site=normalised(row.site))


def _findings(cells: Mapping[str, str], *, names: tuple[str, ...], row: int, table: Table) -> str:
    """The label of several findings; unlabelled if every cell is empty."""
    values = {name: _TRUTH.get(cells[name]) for name in names}
    wrong = [name for name, value in values.items() if value is None]
    if wrong:
        raise SourceError(f"row {row}: column '{wrong[0]}' takes 0, 1 or nothing.", where=table.where)
    empty = [name for name, value in values.items() if value == ""]
    if len(empty) == len(names):
        return ""
    if empty:
        raise SourceError(f"row {row}: column '{empty[0]}' is empty while others are not.", where=table.where)
    return joined([name for name, value in values.items() if value == "1"])
