"""A study of images that can have several findings at once, from the archive to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from .conftest import medtrimix, results

PLACES = ((4, 4), (16, 4), (10, 16))
PIPELINE = """
name: findings
data: {source: SOURCE, image_size: [28, 28]}
pretrain:
  encoder: {name: resnet10, width: 0.125}
  image_budget: 1000
  batch_size: 32
  arms: {simclr: {method: simclr}, scratch: {method: none}}
learn:
  strategies: [linear, {strategy: fixmatch, min_steps: 10, max_steps: 10, unlabelled_batch: 16}]
  label_budgets: [4, 0.5]
  label_seeds: 1
evaluate: {bootstrap: 100}
"""


def write_archive(path: Path) -> None:
    """Noise with up to three bright squares, each a finding."""
    rng = np.random.default_rng(0)
    arrays = {}
    for side, count in (("train", 120), ("val", 40), ("test", 60)):
        present_NL = (rng.random((count, 3)) < [0.5, 0.3, 0.3]).astype(np.uint8)
        image_NHW = rng.normal(80, 25, (count, 28, 28))
        for finding, (top, left) in enumerate(PLACES):
            image_NHW[:, top : top + 8, left : left + 8] += 30 * present_NL[:, finding, None, None]
        arrays |= {f"{side}_images": image_NHW.clip(0, 255).astype(np.uint8), f"{side}_labels": present_NL}
    np.savez(path, **arrays)


def test_each_finding_is_a_question_of_its_own(tmp_path: Path) -> None:
    write_archive(tmp_path / "findings.npz")
    (tmp_path / "findings.yaml").write_text(PIPELINE.replace("SOURCE", str(tmp_path / "findings.npz")))
    ran = medtrimix("run", tmp_path / "findings.yaml", workspace=tmp_path / "workspace")
    assert ran.code == 0, ran.output
    found = results(ran.workspace, "findings")
    assert found["classes"] == ["0", "1", "2"]
    folders = sorted((ran.workspace / "steps" / "evaluate").glob("*/metrics.json"))
    assert len(folders) == 8
    for file in folders:
        said = np.load(file.with_name("test.npz"))
        assert said["target_N"].shape == said["probability_NK"].shape == (60, 3)
        of_each = [roc_auc_score(said["target_N"][:, k], said["probability_NK"][:, k]) for k in range(3)]
        assert json.loads(file.read_text())["auc"]["value"] == pytest.approx(np.mean(of_each), abs=1e-12)
        groups = json.loads(file.with_name("details.json").read_text())["groups"]
        assert [group["value"] for group in groups] == ["0", "1", "2"]
        assert [group["metrics"]["auc"]["value"] for group in groups] == pytest.approx(of_each, abs=1e-12)
        points = json.loads(file.with_name("details.json").read_text())["operating_points"]
        assert [point["finding"] for point in points] == ["0", "0", "1", "1", "2", "2"]
    page = (ran.workspace / "results" / "findings" / "report.html").read_text()
    assert "the mean over the 3 findings" in page
    assert "By finding, with" in page
    for figure in ("examples", "saliency", "embedding"):
        assert (ran.workspace / "results" / "findings" / "figures" / f"{figure}.png").is_file()
    explained = list((ran.workspace / "steps" / "explain").glob("*/explained.npz"))
    assert len(explained) == 2, "4 of each and half of all: which are fewer is known later"
    for maps_file in explained:
        with np.load(maps_file) as maps:
            assert set(maps["kind_B"].tolist()) <= {"seen", "missed", "false_alarm"}
            assert maps["evidence_BYX"].shape == (len(maps["row_B"]), 8, 8)
