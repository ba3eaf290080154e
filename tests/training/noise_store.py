"""A small array store with its split, for tests of the step that pretrains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from medtrimix.data.store_writer import StoreWriter
from medtrimix.steps import ingest, split

COUNT, SHAPE = 40, (1, 12, 12)
_COLUMNS = {"sample_id": str, "patient_id": str, "label": str, "pixel_sha256": str}


def write_noise(folder: Path) -> None:
    """Noise on a gradient, under `ingest` and `split`; 26 images to train on."""
    generator = np.random.default_rng(0)
    ramp = np.linspace(40, 160, SHAPE[2])
    with StoreWriter(
        ingest.store_folder(folder / "ingest"), image_shape=SHAPE, dtype="uint8", columns=_COLUMNS
    ) as writer:
        for number in range(COUNT):
            image = generator.normal(ramp, 30, SHAPE).clip(0, 255).astype(np.uint8)
            row = {"sample_id": f"s{number}", "patient_id": f"p{number}", "label": ("no", "yes")[number % 2]}
            writer.add([image], rows=[{**row, "pixel_sha256": f"{number:064d}"}], note=None)
    (folder / "split").mkdir()
    side = np.array(["train"] * 26 + ["val"] * 4 + ["test"] * 10)
    table = pd.DataFrame({"sample_id": [f"s{number}" for number in range(COUNT)], "split": side})
    table.to_csv(split.split_file(folder / "split"), index=False)
