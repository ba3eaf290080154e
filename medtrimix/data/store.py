"""The array store: images as memory-mapped `.npy` shards beside a pseudonymous index.

store.json            shape, type, number of rows; written last
images-00000.npy ...  (rows, C, H, W) or (rows, C, D, H, W), contiguous, never pickled
index.parquet         one row per image, in the order of the shards

`store_writer` makes it. Opening reads `store.json` alone: shards are mapped, and columns of the index read, when they
are asked for, so that a million rows open at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medtrimix.config.files import read_json
from medtrimix.errors import StepFailed
from medtrimix.findings import are_several, classes_of, present

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FORMAT = 1


@dataclass(frozen=True)
class ArrayStore:
    """A finished store, opened for reading.

    Attributes:
        folder: where it lies.
        image_shape: `(C, H, W)` or `(C, D, H, W)`.
        dtype: pixel type.
        shard_rows: images in each shard but the last.
    """

    folder: Path
    image_shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    shard_rows: int
    _rows: int
    _mapped: dict[int, npt.NDArray[np.generic]] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> ArrayStore:
        """Opens without reading images or index.

        Raises:
            StepFailed: the store was written by another version of the format.
        """
        facts = read_json(marker_file(folder))
        if facts["format"] != FORMAT:
            raise StepFailed(f"The array store has format {facts['format']}, not {FORMAT}.", fix="Run ingest again.")
        return cls(folder, tuple(facts["image_shape"]), np.dtype(facts["dtype"]), facts["shard_rows"], facts["rows"])

    def __len__(self) -> int:
        return self._rows

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per image; the columns are those of `medtrimix.ingest.sample.Record`."""
        return self.columns()

    def columns(self, *names: str) -> pd.DataFrame:
        """Only these columns of the index; all of them without names."""
        frame: pd.DataFrame = self._table(*names).to_pandas(split_blocks=True, self_destruct=True)
        return frame

    def _table(self, *names: str, as_numbers: tuple[str, ...] = ()) -> pa.Table:
        """Arrow's table; `as_numbers` are columns of few different texts."""
        from pyarrow.parquet import ParquetFile

        with ParquetFile(index_file(self.folder), read_dictionary=list(as_numbers)) as file:
            # Without threads: their buffers take more memory than they save time.
            return file.read(columns=list(names) or None, use_threads=False)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted; of two, the last is the positive one. With several findings, these."""
        return classes_of(self._labels[1])

    @cached_property
    def several_findings(self) -> bool:
        """Whether an image can have several of `classes`, or none."""
        return are_several(self._labels[1])

    @cached_property
    def _labels(self) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
        """`(N,)` numbers of labels, and the labels: a text per row would take twenty times the memory."""
        column = self._table("label", as_numbers=("label",))["label"].unify_dictionaries().combine_chunks()
        number_N = np.asarray(np.from_dlpack(column.indices), dtype=np.int32)  # no copy
        return number_N, tuple(column.dictionary.to_pylist())

    def images(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The images of `rows`, in their order: `(len(rows), *image_shape)`, a copy."""
        shard_of_row = rows // self.shard_rows
        images = np.empty((len(rows), *self.image_shape), dtype=self.dtype)
        for shard in np.unique(shard_of_row):
            here = shard_of_row == shard
            images[here] = self._shard(int(shard))[rows[here] - shard * self.shard_rows]
        return images

    def _shard(self, number: int) -> npt.NDArray[np.generic]:
        if number not in self._mapped:
            self._mapped[number] = np.load(shard_file(self.folder, number), mmap_mode="r", allow_pickle=False)
        return self._mapped[number]

    def targets(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Class numbers of `rows`, `(len(rows),)`, -1 where there is no label.

        With several findings `(len(rows), L)`: 1 for present, 0 for absent, -1 throughout where there is no label.
        """
        label_of_row, labels = self._labels
        if self.several_findings:
            of_label = np.array([self._presence(label) for label in labels], dtype=np.int64)
        else:
            number = {name: position for position, name in enumerate(self.classes)}
            of_label = np.array([number.get(label, -1) for label in labels], dtype=np.int64)
        return of_label[label_of_row[rows]]

    def _presence(self, label: str) -> list[int]:
        return [-1 if label == "" else int(name in present(label)) for name in self.classes]

    def labelled(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Those of `rows` that have a label, in their order."""
        label_of_row, labels = self._labels
        has_one = np.array([label != "" for label in labels])
        found: npt.NDArray[np.int64] = rows[has_one[label_of_row[rows]]]
        return found


def marker_file(folder: Path) -> Path:
    """JSON: the facts of a finished store."""
    return folder / "store.json"


def index_file(folder: Path) -> Path:
    """Parquet: one row per image."""
    return folder / "index.parquet"


def shard_file(folder: Path, number: int) -> Path:
    """The images of one shard."""
    return folder / f"images-{number:05d}.npy"


def is_finished(folder: Path) -> bool:
    """Whether there is a store that was written to its end and has all its parts."""
    if not marker_file(folder).is_file():
        return False
    facts = read_json(marker_file(folder))
    shards = range(-(-facts["rows"] // facts["shard_rows"]))
    return index_file(folder).is_file() and all(shard_file(folder, number).is_file() for number in shards)
