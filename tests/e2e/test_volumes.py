"""The whole chain on volumes: DICOM series of synthetic CT to the report, and where the volumes lie in the patient."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from .conftest import REPO, Ran, medtrimix

CT = REPO / "pipelines" / "phantom_ct.yaml"


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The CT study, run once for all tests that only look."""
    ran = medtrimix("run", CT, workspace=tmp_path_factory.mktemp("ct") / "workspace")
    assert ran.code == 0, ran.output
    return ran


def the_only(folder: Path, pattern: str) -> Path:
    [path] = folder.glob(pattern)
    return path


def truth_of(workspace: Path) -> pd.DataFrame:
    return pd.read_csv(the_only(workspace, "steps/phantom/*/export/truth.csv"))


def test_every_cell_has_an_auc_with_its_interval(scanned: Ran) -> None:
    text = (scanned.workspace / "results" / "phantom-ct" / "results.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert {(row["arm"], row["strategy"]) for row in rows} == {
        (arm, strategy) for arm in ("trimix", "scratch") for strategy in ("linear", "finetune")
    }
    for row in rows:
        assert 0 <= float(row["auc_low"]) <= float(row["auc"]) <= float(row["auc_high"]) <= 1
    assert "AUC [95% interval]" in scanned.output


def test_every_slice_is_in_a_volume_and_every_scout_image_is_named(scanned: Ran) -> None:
    truth = truth_of(scanned.workspace)
    verdicts = json.loads(the_only(scanned.workspace, "steps/ingest/*/verdicts.json").read_text())
    assert verdicts["accepted"] == truth["slices"].sum()
    assert verdicts["localizer"] == truth["localizer"].sum() > 0
    assert set(verdicts) == {"accepted", "localizer", "not_an_image"}  # the last: truth.csv, which is no image


def volumes_elsewhere(index: pd.DataFrame, truth: pd.DataFrame) -> int:
    """How many volumes have a number of slices and a place in the patient that no row of the truth has."""
    known = Counter(zip(truth["slices"], map(_rounded, truth["affine"]), strict=True))
    seen = Counter(zip(index["slices"], map(_rounded, index["affine"]), strict=True))
    return (seen - known).total()


def _rounded(affine: str) -> tuple[float, ...]:
    return tuple(np.round([float(number) for number in affine.split()], 2) + 0.0)


def test_volumes_lie_where_the_phantom_was(scanned: Ran) -> None:
    store = the_only(scanned.workspace, "steps/ingest/*/store")
    index, truth = pd.read_parquet(store / "index.parquet"), truth_of(scanned.workspace)
    assert len(index) == len(truth)
    assert volumes_elsewhere(index, truth) == 0
    assert set(index["modality"]) == {"CT"}
    assert index["encoding"].nunique() == 5
    mirrored = index.assign(affine=[affine.replace("-", "") for affine in index["affine"]])
    assert volumes_elsewhere(mirrored, truth) == len(index)


def test_volumes_show_a_body_with_its_back_to_the_couch(scanned: Ran) -> None:
    """Whichever way people lay in the scanner: the spine, the brightest of the middle columns, is in the back half."""
    volumes = np.load(the_only(scanned.workspace, "steps/ingest/*/store/images-00000.npy"))
    assert volumes.shape[1:] == (1, 24, 32, 32)
    column_NH = volumes[:, 0, 8:16, :, 14:18].max(axis=3).mean(axis=1)
    spine_NH = np.where(column_NH > 220, column_NH, 0)
    assert (spine_NH @ np.arange(32) / spine_NH.sum(axis=1) > 16).all()


def test_the_sheet_of_views_is_in_the_report(scanned: Ran) -> None:
    folder = scanned.workspace / "results" / "phantom-ct"
    assert "24 x 32 x 32, grey" in (folder / "report.html").read_text()
    with np.load(the_only(scanned.workspace, "steps/pretrain/*/views.npz")) as sheet:
        assert sheet["virtual_BCHW"].shape == (6, 1, 32, 32)
