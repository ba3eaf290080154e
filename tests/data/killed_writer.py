"""Writes a store of twelve hundred images, slowly enough to be killed: `killed_writer.py FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from medtrimix.data import store_writer
from medtrimix.data.store_writer import StoreWriter

SHAPE = (1, 16, 24)
UNITS = 600
COLUMNS = {"sample_id": str, "label": str, "rows": int, "spacing_mm": float}


def unit(number: int) -> tuple[list[np.ndarray], list[dict[str, Any]], Any]:
    """None to four images, from the number alone."""
    count = number % 5
    images = [np.full(SHAPE, (number * 7 + place) % 256, np.uint8) for place in range(count)]
    rows = [
        {"sample_id": f"{number}-{place}", "label": "ab"[number % 2], "rows": number, "spacing_mm": number / 3}
        for place in range(count)
    ]
    return images, rows, {"refused": [number] * (count == 0)}


@contextmanager
def small_shards() -> Iterator[None]:
    whole = store_writer._SHARD_BYTES
    store_writer._SHARD_BYTES = 100 * int(np.prod(SHAPE))
    try:
        yield
    finally:
        store_writer._SHARD_BYTES = whole


def write(folder: Path, *, stop_at: int = UNITS) -> Iterator[int]:
    """Number of each unit that had to be written."""
    with (
        small_shards(),
        StoreWriter(folder, image_shape=SHAPE, dtype="uint8", columns=COLUMNS, commit_every_s=0.0) as writer,
    ):
        assert [(rows, note) for rows, note in writer.units_so_far()] == [unit(n)[1:] for n in range(writer.units)]
        for number in range(writer.units, UNITS):
            images, rows, note = unit(number)
            writer.add(images, rows=rows, note=note)
            yield number
            if number == stop_at:
                raise KeyboardInterrupt


if __name__ == "__main__":
    for number in write(Path(sys.argv[1])):
        print(number, flush=True)
