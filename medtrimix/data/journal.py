"""An append-only file of JSON lines that a kill, or a power cut, can only shorten."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Entries in memory until `commit` puts them on disk for good.

    Args:
        path: the file; an existing one is continued behind its last whole entry.
        end: where that entry ends, as `read_entries` said; 0 begins anew.
    """

    def __init__(self, path: Path, *, end: int) -> None:
        # Unbuffered: after an error nothing is left that would be written late, in the middle of something else.
        self._file = path.open("r+b" if end else "wb", buffering=0)
        self._file.truncate(end)
        self._file.seek(end)
        self._pending: list[bytes] = []

    def append(self, entry: Any) -> None:
        """Remembers one entry; NaN is allowed."""
        self._pending.append(json.dumps(entry, separators=(",", ":")).encode("ascii") + b"\n")

    def commit(self) -> None:
        """Writes and syncs what was remembered."""
        lines, self._pending = self._pending, []  # first of all: whatever interrupts the writing, no line comes twice
        if lines:
            write_all(self._file.fileno(), b"".join(lines))
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Forgets what was not committed."""
        self._file.close()


def read_entries(path: Path) -> Iterator[tuple[Any, int]]:
    """Every entry with the offset of its end, up to the first one that is cut or damaged; none if there is no file."""
    if not path.is_file():
        return
    end = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                entry = json.loads(line)
            except ValueError:  # zeros, which some file systems leave after a power cut
                return
            end += len(line)
            yield entry, end


def write_all(descriptor: int, data: bytes) -> None:
    """Writes `data` to the end; on a disk that is nearly full one call writes only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
