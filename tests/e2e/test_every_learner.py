"""Every learner from pretrained and untrained encoders, on real and on synthetic images, from the files to the AUC."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from medtrimix.lowlabel.table import LEARNERS

from .conftest import REPO, medtrimix

SOURCES = {
    "phantom": "{source: phantom, image_size: [28, 28]}",
    "pneumoniamnist": "{source: '${MEDTRIMIX_DATA}/pneumoniamnist.npz', image_size: [28, 28]}",
    "nih": "{source: '${MEDTRIMIX_DATA}/nih_cxr', labels: '${MEDTRIMIX_DATA}/nih_cxr/labels.csv', "
    "image_size: [28, 28]}",
}
ARMS = {"trimix": "trimix", "byol": "byol", "scratch": "none"}
STRATEGIES = tuple(options.model_fields["strategy"].default for options in LEARNERS)
FROZEN = ("knn", "linear")
SHORT = "min_steps: 2, max_steps: 2, curve_points: 1"
PIPELINE = """
name: every-learner
data: DATA
phantom: {patients: 60, image_px: 48}
SPLIT
pretrain:
  encoder: {name: resnet10, width: 0.125}
  batch_size: 32
  image_budget: 300
  arms: {ARMS}
learn:
  strategies: [STRATEGIES]
  label_budgets: [0.1]
  label_seeds: 1
evaluate: {bootstrap: 100}
"""


@pytest.mark.parametrize("source", SOURCES)
def test_every_learner_runs_from_every_arm(source: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    data = tmp_path if source == "phantom" else request.getfixturevalue("real_data")
    strategies = [name if name in FROZEN else f"{{strategy: {name}, {SHORT}}}" for name in STRATEGIES]
    split = f"split: {{file: '{REPO / 'data_manifests' / 'nih_cxr_split.csv'}'}}" if source == "nih" else ""
    text = PIPELINE.replace("DATA", SOURCES[source], 1).replace("SPLIT", split)
    text = text.replace("ARMS", ", ".join(f"{arm}: {{method: {method}}}" for arm, method in ARMS.items()))
    (tmp_path / "every.yaml").write_text(text.replace("STRATEGIES", ", ".join(strategies)))
    ran = medtrimix(
        "run",
        tmp_path / "every.yaml",
        workspace=tmp_path / "workspace",
        env={"MEDTRIMIX_DATA": str(data)},
    )
    assert ran.code == 0, ran.output
    table = tmp_path / "workspace" / "results" / "every-learner" / "results.csv"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert sorted((row["arm"], row["strategy"]) for row in rows) == sorted(
        (arm, strategy) for arm in ARMS for strategy in STRATEGIES
    )
    for row in rows:
        low, auc, high = (float(row[name]) for name in ("auc_low", "auc", "auc_high"))
        assert math.isfinite(auc)
        assert 0 <= low <= auc <= high <= 1
        assert 0 < int(row["n_labelled_patients"]) <= int(row["n_labels"])
