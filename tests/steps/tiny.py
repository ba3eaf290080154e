"""Tiny stores with everything that steps want beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from medtrimix.augment.options import Normalisation
from medtrimix.config.files import write_json
from medtrimix.data.store_writer import StoreWriter
from medtrimix.steps import embed, ingest, pretrain, split
from medtrimix.steps.context import Context, Recorder

SIDE = 16
COLUMNS = dict.fromkeys(("sample_id", "patient_id", "label", "split", "pixel_sha256"), str)


@dataclass(frozen=True)
class Row:
    """An image of a store: who it is, and the number of its picture."""

    sample: str
    patient: str
    picture: int
    label: str = ""
    split: str = ""


def picture(number: int) -> np.ndarray:
    """A picture of its own for each number: (1, SIDE, SIDE)."""
    noise = gaussian_filter(np.random.default_rng(number).normal(size=(1, SIDE, SIDE)), (0, 2, 2))
    return (128 + 40 * noise / noise.std()).clip(0, 255).astype(np.uint8)


def write_store(folder: Path, rows: Sequence[Row]) -> Path:
    """The folder of an ingest."""
    with StoreWriter(
        ingest.store_folder(folder), image_shape=(1, SIDE, SIDE), dtype="uint8", columns=COLUMNS
    ) as writer:
        for row in rows:
            image = picture(row.picture)
            facts = {"sample_id": row.sample, "patient_id": row.patient, "label": row.label, "split": row.split}
            facts["pixel_sha256"] = hashlib.sha256(image.tobytes()).hexdigest()
            writer.add([image], rows=[facts], note=None)
    return folder


def write_split(folder: Path, rows: Sequence[Row]) -> Path:
    """The folder of a split that leaves everybody on the side that the rows say."""
    folder.mkdir(parents=True)
    table = pd.DataFrame(
        [(row.sample, row.patient, row.split) for row in rows], columns=["sample_id", "patient_id", "split"]
    )
    table.assign(dealt=table["split"]).to_csv(split.split_file(folder), index=False)
    return folder


def write_arm(folder: Path) -> Path:
    """The folder of a pretraining, without its encoder."""
    arm = pretrain.Arm(pretrained=True, normalisation=Normalisation(mean=(0.5,), std=(0.2,)))
    write_json(folder / "arm.json", arm.model_dump(mode="json"))
    return folder


def write_features(folder: Path, rows: Sequence[Row], *, arm: int) -> Path:
    """The folder of an embedding: of each picture the features that an arm gives it."""
    folder.mkdir(parents=True)
    features = [np.random.default_rng((arm, row.picture)).normal(size=8) + 2 * (row.label == "yes") for row in rows]
    np.save(embed.features_file(folder), np.array(features, dtype=np.float32))
    return folder


def context(folder: Path, *, workers: int = 1) -> Context:
    folder.mkdir(parents=True, exist_ok=True)
    return Context(recorder=Recorder(folder), should_stop=lambda: False, workers=workers, checkpoint_every_s=1e9)
