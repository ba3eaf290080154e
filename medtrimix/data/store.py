"""The array store: images as memory-mapped `.npy` shards beside a pseudonymous index.

store.json            shape, type, number of rows
images-00000.npy ...  (rows, C, H, W), contiguous, never pickled
index.parquet         one row per image, in the order of the shards
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.config.files import read_json, replacing, write_json
from medtrimix.errors import StepFailed

_SHARD_BYTES = 64 << 20
_FORMAT = 1


class StoreWriter:
    """Appends images and their index rows; memory stays at one shard. Complete only after leaving the `with` block.

    Args:
        folder: an empty or new folder.
        image_shape: `(C, H, W)` or `(C, D, H, W)`, the same for every image.
        dtype: pixel type of every image.
    """

    def __init__(self, folder: Path, *, image_shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._folder = folder
        self._shape = image_shape
        self._dtype = np.dtype(dtype)
        bytes_per_image = int(np.prod(image_shape)) * self._dtype.itemsize
        self._shard_rows = max(1, _SHARD_BYTES // bytes_per_image)
        self._pending: list[npt.NDArray[np.generic]] = []
        self._rows: list[dict[str, Any]] = []
        self._shards = 0
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, image: npt.NDArray[np.generic], *, row: dict[str, Any]) -> None:
        """One image of the store's shape and type, and its index row."""
        assert image.shape == self._shape, (image.shape, self._shape)
        assert image.dtype == self._dtype, (image.dtype, self._dtype)
        self._pending.append(image)
        self._rows.append(row)
        if len(self._pending) == self._shard_rows:
            self._flush()

    def _flush(self) -> None:
        with replacing(_shard(self._folder, self._shards)) as temporary, temporary.open("wb") as file:
            np.save(file, np.stack(self._pending), allow_pickle=False)
        self._shards += 1
        self._pending.clear()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            return
        if self._pending:
            self._flush()
        with replacing(self._folder / "index.parquet") as temporary:
            pd.DataFrame(self._rows).to_parquet(temporary, index=False)
        shape, dtype = list(self._shape), self._dtype.name
        write_json(
            self._folder / "store.json",
            {
                "format": _FORMAT,
                "image_shape": shape,
                "dtype": dtype,
                "rows": len(self._rows),
                "shard_rows": self._shard_rows,
                "shards": self._shards,
            },
        )


@dataclass(frozen=True)
class ArrayStore:
    """A finished store, opened for reading.

    Attributes:
        image_shape: `(C, H, W)` or `(C, D, H, W)`.
        index: one row per image; the columns are those of `medtrimix.ingest.sample.Record`.
    """

    image_shape: tuple[int, ...]
    index: pd.DataFrame
    _shards: tuple[npt.NDArray[np.generic], ...]
    _shard_rows: int

    @classmethod
    def open(cls, folder: Path) -> ArrayStore:
        """Maps the shards into memory without reading them.

        Raises:
            StepFailed: the store was written by another version of the format.
        """
        facts = read_json(folder / "store.json")
        if facts["format"] != _FORMAT:
            raise StepFailed(f"The array store has format {facts['format']}, not {_FORMAT}.", fix="Run ingest again.")
        shards = tuple(
            np.load(_shard(folder, number), mmap_mode="r", allow_pickle=False) for number in range(facts["shards"])
        )
        index = pd.read_parquet(folder / "index.parquet")
        return cls(tuple(facts["image_shape"]), index, shards, facts["shard_rows"])

    def __len__(self) -> int:
        return len(self.index)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted; of two, the last is the positive one."""
        return tuple(sorted(set(self.index["label"]) - {""}))

    def images(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The images of `rows`, in their order: `(len(rows), *image_shape)`, a copy."""
        if len(self._shards) == 1:
            return np.asarray(self._shards[0][rows])
        shard_of_row = rows // self._shard_rows
        images = np.empty((len(rows), *self.image_shape), dtype=self._shards[0].dtype)
        for shard in np.unique(shard_of_row):
            here = shard_of_row == shard
            images[here] = self._shards[shard][rows[here] - shard * self._shard_rows]
        return images

    def targets(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Class numbers of `rows`, -1 where there is no label."""
        number = {name: position for position, name in enumerate(self.classes)}
        labels = self.index["label"].to_numpy()[rows]
        return np.array([number.get(label, -1) for label in labels], dtype=np.int64)


def _shard(folder: Path, number: int) -> Path:
    return folder / f"images-{number:05d}.npy"
