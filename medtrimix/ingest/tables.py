"""Tables that people bring: CSV in UTF-8, or parquet. Every cell becomes text without blanks around it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medtrimix.errors import SourceError

PARQUET = ".parquet"
_MISTAKES = (OSError, ValueError, csv.Error)  # UnicodeDecodeError and pyarrow's ArrowInvalid are ValueErrors


@dataclass(frozen=True)
class Table:
    """A table that is read row by row, so that a long one takes no memory.

    Attributes:
        where: key of the pipeline file that named the table.
        columns: its headings.
        lines: the cells of each row, once.
    """

    where: str
    columns: tuple[str, ...]
    lines: Iterator[list[str]]

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Number (the heading is row 1) and cells of each row that is not empty.

        Raises:
            SourceError: a row has another length than the heading, or the file turns out to be no table.
        """
        for number, cells in enumerate(_guarded(self.lines, where=self.where), start=2):
            if len(cells) not in (0, len(self.columns)):
                raise SourceError(
                    f"row {number} has {len(cells)} cells under {len(self.columns)} headings.", where=self.where
                )
            if any(cells):
                yield number, dict(zip(self.columns, cells, strict=True))


def read_table(path: Path, *, where: str) -> Table:
    """The table in a file, of which only the heading has been read.

    Raises:
        SourceError: it can't be opened, is no table, is empty, or has one heading twice.
    """
    lines = _parquet(path) if path.suffix == PARQUET else _csv(path)
    heading = next(_guarded(lines, where=where), None)
    if heading is None:
        raise SourceError("the table is empty.", where=where)
    for number, name in enumerate(heading, start=1):
        if name and name in heading[: number - 1]:  # which is not told: a table without headings begins with a patient
            first = heading.index(name) + 1
            raise SourceError(
                f"columns {first} and {number} have the same heading.", where=where, fix="Rename or remove one."
            )
    return Table(where, tuple(heading), lines)


def _guarded(lines: Iterator[list[str]], *, where: str) -> Iterator[list[str]]:
    try:
        for line in lines:
            yield [cell.strip() for cell in line]
    except _MISTAKES as error:
        opened = not isinstance(error, OSError)
    else:
        return
    # Raised out here, so that no chained error shows a path or a value.
    problem = "the file is neither a CSV in UTF-8 nor a parquet table." if opened else "the table can't be opened."
    raise SourceError(problem, where=where, fix="Check the path; paths are relative to the current folder.")


def _csv(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:  # -sig: spreadsheets write a byte order mark
        yield from csv.reader(file, strict=True)


def _parquet(path: Path) -> Iterator[list[str]]:
    from pyarrow import parquet

    with path.open("rb") as file:
        table = parquet.ParquetFile(file)
        yield list(table.schema_arrow.names)
        for batch in table.iter_batches():
            columns = [[_text(value) for value in column.to_pylist()] for column in batch.columns]
            yield from (list(cells) for cells in zip(*columns, strict=True))


def _text(value: Any) -> str:
    """Whole numbers without a decimal point, as a CSV would have them: pandas turns a column with gaps into floats."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
