"""Array stores made up for the quality page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from medtrimix.data.store_writer import StoreWriter
from medtrimix.ingest.sample import Record


def record(number: int, **values: Any) -> Record:
    """Image `number`, alone with its patient, but for `values`."""
    usual: dict[str, Any] = {
        "sample_id": f"s{number:04d}",
        "patient_id": f"p{number:04d}",
        "study_id": f"t{number:04d}",
        "series_id": f"r{number:04d}",
        "label": "normal",
        "split": "",
        "pixel_sha256": f"{number:064x}",
        "modality": "CR",
        "encoding": "explicit_le",
        "rows": 100,
        "columns": 80,
    }
    return Record(**(usual | values))


def write_store(folder: Path, images: np.ndarray, *, records: Mapping[int, Record]) -> Path:
    """A finished store of `images`; those without a record get the usual one."""
    columns = get_type_hints(Record)
    with StoreWriter(folder, image_shape=images.shape[1:], dtype="uint8", columns=columns) as writer:
        for number, image in enumerate(images):
            writer.add([image], rows=[asdict(records.get(number, record(number)))], note=None)
    return folder


def made_up(folder: Path) -> Path:
    """Thirty radiographs and scans, with one of everything that the page warns of."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (30, 1, 24, 20), dtype=np.uint8)
    images[0] = 7
    records = {
        0: record(0, flags="burned_in_text secondary_capture", encoding="jpeg2000", device="dev00001"),
        1: record(1, flags="secondary_capture", label="", split="train"),
        2: record(2, patient_id="p0003", label="mass|effusion", split="test", rows=10, columns=12),
        3: record(3, pixel_sha256=f"{4:064x}", spacing_mm=0.14, spacing_origin="patient"),
        4: record(4, label="mass", spacing_mm=0.2, spacing_origin="detector"),
        5: record(5, modality="CT", slices=40, slice_spacing_mm=2.5, orientation="LPS", flags="head"),
    }
    return write_store(folder, images, records=records)
