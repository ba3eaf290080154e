"""The example manifest: loads as it stands, splits as it says, and its README names its columns."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medtrimix.data.audit import Pretraining, audit, require_clean
from medtrimix.data.options import AuditOptions, SplitOptions
from medtrimix.data.split import split_by_patient
from medtrimix.errors import InputError, LeakageError
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.source import ingest

FOLDER = Path(__file__).resolve().parents[2] / "data_manifests"
EXAMPLE = pd.read_csv(FOLDER / "example.csv", dtype=str, keep_default_na=False)
NAMES = Pseudonyms(b"\x01" * 32)


def index_of(rows: pd.DataFrame, *, folder: Path) -> pd.DataFrame:
    """What ingest makes of a manifest whose images are made up on the spot."""
    for number, name in enumerate(rows["path"].unique()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, size=(12, 10), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    rows.to_csv(folder / "manifest.csv", index=False)
    options = DataOptions(source=str(folder / "manifest.csv"), image_size=(8, 8))
    samples = [sample for outcome in ingest(options, pseudonyms=NAMES, workers=1) for sample in outcome.samples]
    return pd.DataFrame([asdict(sample.record) for sample in samples])


def split_of(index: pd.DataFrame) -> pd.Series:
    """The audited split."""
    side_N = split_by_patient(index, options=SplitOptions(), seed=0)
    report = audit(index, side_N, Pretraining.inside(index, (side_N == "train").to_numpy().nonzero()[0]))
    require_clean(report, options=AuditOptions())
    return side_N


def test_the_example_is_read_as_it_stands(tmp_path: Path) -> None:
    index = index_of(EXAMPLE, folder=tmp_path)
    assert list(index["label"]) == list(EXAMPLE["label"])
    assert list(index["patient_id"]) == [NAMES.patient(number) for number in EXAMPLE["patient_id"]]
    assert list(split_of(index)) == list(EXAMPLE["split"])


def test_a_patient_on_two_sides_is_found(tmp_path: Path) -> None:
    rows = EXAMPLE.copy()
    rows.loc[rows["path"] == "images/a2.png", "split"] = "test"
    with pytest.raises(LeakageError, match="same_patient"):
        split_of(index_of(rows, folder=tmp_path))


def test_half_a_split_is_none(tmp_path: Path) -> None:
    rows = EXAMPLE.assign(split=[*EXAMPLE["split"][:-1], ""])
    with pytest.raises(InputError, match="9 of 10"):
        split_of(index_of(rows, folder=tmp_path))


def test_the_example_identifies_nobody() -> None:
    assert EXAMPLE["patient_id"].str.fullmatch("DEMO-[A-H]").all()
    assert not EXAMPLE["path"].str.startswith(("/", "..")).any()


def test_the_readme_names_the_columns() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{column}` |" in readme for column in EXAMPLE.columns)
