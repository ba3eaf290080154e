"""Training images in random batches: from the array store, and from MONAI's PersistentDataset."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import made
import numpy as np
import numpy.typing as npt
import torch
from competitors import OURS
from monai.data import PersistentDataset
from monai.transforms import Compose, EnsureChannelFirst, LoadImage

from medtrimix.data.store import ArrayStore
from medtrimix.data.store_writer import StoreWriter

SIDE = 224
BATCH = 32
ROUNDS = 5

Rows = npt.NDArray[np.int64]


def cache_speeds(folder: Path, *, images: int) -> dict[str, float]:
    """Images per second of each, the same rows in turns; both have written everything before the first turn."""
    folder.mkdir()
    store, dataset = _filled(folder, images=images)
    take: dict[str, Callable[[Rows], torch.Tensor]] = {
        OURS: lambda rows: torch.from_numpy(store.images(rows)),
        "MONAI PersistentDataset": lambda rows: torch.stack([dataset[int(row)] for row in rows]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in take}
    for turn in range(ROUNDS + 1):
        order = np.random.default_rng(turn).permutation(images)
        batches = [order[start : start + BATCH] for start in range(0, images, BATCH)]
        for name, read in take.items():
            begin = time.perf_counter()
            for rows in batches:
                assert read(rows).shape == (len(rows), 1, SIDE, SIDE)
            seconds[name].append(time.perf_counter() - begin)
    return {name: images / statistics.median(times[1:]) for name, times in seconds.items()}


def _filled(folder: Path, *, images: int) -> tuple[ArrayStore, PersistentDataset]:
    """The same 8-bit pictures in both."""
    picture = (made.radiograph(side=SIDE, rng=np.random.default_rng(0)) >> 8).astype(np.uint8)
    paths = []
    with StoreWriter(folder / "store", image_shape=(1, SIDE, SIDE), dtype=np.uint8, columns={"label": str}) as writer:
        for number in range(images):
            shifted = np.roll(picture, number)
            writer.add([shifted[None]], rows=[{"label": ""}], note=None)
            paths.append(folder / f"{number}.dcm")
            paths[-1].write_bytes(made.dicom(shifted, name=f"cached {number}"))
    load = Compose([LoadImage(reader="PydicomReader", image_only=True, dtype=np.uint8), EnsureChannelFirst()])
    return ArrayStore.open(folder / "store"), PersistentDataset(paths, load, cache_dir=folder / "monai")
