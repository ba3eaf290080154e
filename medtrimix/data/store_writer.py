"""Writing an array store so that it can be killed at any moment and goes on where it was.

    images-00000.npy ...  appended to, one image after another
    journal.jsonl         what has become of the units of work so far: index rows, and a note of the caller

Every few seconds the images are synced to disk, and after them their lines of the journal, so the journal never
promises an image that is not there. A writer that finds a journal cuts the shards back to what it promises. In the end
the journal becomes `index.parquet`, the store gets its marker, and the journal goes. Memory does not grow with the
store.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from medtrimix.config.files import replacing, sync_folder, write_json
from medtrimix.data.journal import Journal, read_entries, write_all
from medtrimix.data.store import FORMAT, index_file, marker_file, shard_file

JOURNAL = "journal.jsonl"
_SHARD_BYTES = 64 << 20
_INDEX_CHUNK = 10_000  # rows of a row group: about 20 MB while it is written


class StoreWriter:
    """Appends units of work: any number of images with their index rows. Complete only after the `with` block.

    A block that is left with an error keeps what is whole for the next writer.

    Args:
        folder: new, or left by an interrupted writer of the same arguments; shards and journal of others are removed.
        image_shape: `(C, H, W)` or `(C, D, H, W)`, the same for every image.
        dtype: pixel type of every image.
        columns: names and types (str, int or float) of the index.
        commit_every_s: seconds of work that a kill may cost.

    Attributes:
        units: how many units there are, those of earlier writers included.
    """

    def __init__(
        self,
        folder: Path,
        *,
        image_shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        columns: Mapping[str, type],
        commit_every_s: float = 3.0,
    ) -> None:
        self._folder = folder
        self._shape = image_shape
        self._dtype = np.dtype(dtype)
        self._columns = columns
        self._commit_every_s = commit_every_s
        self._image_bytes = int(np.prod(image_shape)) * self._dtype.itemsize
        self._shard_rows = max(1, _SHARD_BYTES // self._image_bytes)
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()
        self._rows, self.units, end = self._found()
        self._shard = self._reopened()
        self._journal = Journal(folder / JOURNAL, end=end)
        if end == 0:
            marker_file(folder).unlink(missing_ok=True)
            self._journal.append(self._facts())
        self._committed_at = time.monotonic()

    def add(self, images: Sequence[npt.NDArray[np.generic]], *, rows: Sequence[Mapping[str, Any]], note: Any) -> None:
        """One unit: either all of it survives a kill, or nothing.

        Args:
            images: of the store's shape and type.
            rows: of the index, one per image.
            note: JSON that `units_so_far` gives back.
        """
        assert len(images) == len(rows), (len(images), len(rows))
        for image in images:
            assert image.shape == self._shape, (image.shape, self._shape)
            assert image.dtype == self._dtype, (image.dtype, self._dtype)
            self._append(np.ascontiguousarray(image))
        self._journal.append({"rows": rows, "note": note})
        self.units += 1
        if time.monotonic() - self._committed_at >= self._commit_every_s:
            self.commit()

    def commit(self) -> None:
        """Puts everything on disk for good: first the images, then what promises them."""
        if self._shard is not None:
            os.fsync(self._shard)
        self._journal.commit()
        self._committed_at = time.monotonic()

    def units_so_far(self) -> Iterator[tuple[list[dict[str, Any]], Any]]:
        """Index rows and note of every unit, in order, from the disk."""
        self.commit()
        for entry, _ in islice(read_entries(self._folder / JOURNAL), 1, None):
            yield entry["rows"], entry["note"]

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if not isinstance(error, OSError):  # on a full disk the last seconds are lost, the rest is kept
                self.commit()
            if kind is None:
                self._finish()
        finally:
            self._journal.close()
            self._close_shard()
        if kind is None:
            (self._folder / JOURNAL).unlink()

    def _facts(self) -> dict[str, Any]:
        """What must agree between the writers of one store."""
        return {
            "format": FORMAT,
            "image_shape": list(self._shape),
            "dtype": self._dtype.name,
            "shard_rows": self._shard_rows,
            "columns": {name: kind.__name__ for name, kind in self._columns.items()},
        }

    def _found(self) -> tuple[int, int, int]:
        """Rows, units and end of the journal of an interrupted writer; zeros if there is none that can be continued."""
        rows = units = end = 0
        for number, (entry, place) in enumerate(read_entries(self._folder / JOURNAL)):
            if number == 0 and entry != self._facts():
                return 0, 0, 0
            if number > 0:
                rows, units = rows + len(entry["rows"]), units + 1
            end = place
        last, rows_in_last = divmod(rows, self._shard_rows)
        needed = dict.fromkeys(range(last), self._shard_rows) | ({last: rows_in_last} if rows_in_last else {})
        whole = all(self._size(number) >= self._offset(count) for number, count in needed.items())
        return (rows, units, end) if whole else (0, 0, 0)

    def _reopened(self) -> int | None:
        """Cuts the shards back to `_rows` images; the descriptor of the last one if it has room."""
        last, rows_in_last = divmod(self._rows, self._shard_rows)
        for path in self._folder.glob("images-*.npy"):
            if path.name >= shard_file(self._folder, last + bool(rows_in_last)).name:
                path.unlink()
        if not rows_in_last:
            return None
        descriptor = os.open(shard_file(self._folder, last), os.O_WRONLY)
        os.ftruncate(descriptor, self._offset(rows_in_last))
        os.pwrite(descriptor, self._header(self._shard_rows), 0)  # it may have been about to be the last
        os.lseek(descriptor, 0, os.SEEK_END)
        return descriptor

    def _append(self, image: npt.NDArray[np.generic]) -> None:
        if self._shard is None:
            path = shard_file(self._folder, self._rows // self._shard_rows)
            self._shard = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            write_all(self._shard, self._header(self._shard_rows))
            sync_folder(self._folder)
        write_all(self._shard, image.tobytes())
        self._rows += 1
        if self._rows % self._shard_rows == 0:
            os.fsync(self._shard)
            self._close_shard()

    def _close_shard(self) -> None:
        if self._shard is not None:
            os.close(self._shard)
            self._shard = None

    def _header(self, rows: int) -> bytes:
        """Of a `.npy` file of `rows` images; numpy leaves room to grow, so its length does not depend on `rows`."""
        header = BytesIO()
        descr = npy.dtype_to_descr(self._dtype)
        npy.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": (rows, *self._shape)})
        return header.getvalue()

    def _offset(self, rows: int) -> int:
        return len(self._header(rows)) + rows * self._image_bytes

    def _size(self, number: int) -> int:
        path = shard_file(self._folder, number)
        return path.stat().st_size if path.is_file() else -1

    def _finish(self) -> None:
        if self._shard is not None:  # the last one: its header promised a full shard
            os.pwrite(self._shard, self._header(self._rows % self._shard_rows), 0)
            os.fsync(self._shard)
        self._write_index()
        facts = {key: value for key, value in self._facts().items() if key != "columns"}
        write_json(marker_file(self._folder), {**facts, "rows": self._rows})

    def _write_index(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        schema = pa.schema([(name, types[kind]) for name, kind in self._columns.items()])
        rows = (row for rows, _ in self.units_so_far() for row in rows)
        with (
            replacing(index_file(self._folder)) as temporary,
            parquet.ParquetWriter(temporary, schema, compression="zstd") as file,
        ):
            while chunk := list(islice(rows, _INDEX_CHUNK)):
                file.write_table(pa.Table.from_pylist(chunk, schema=schema))
