"""A collapsed pretraining is told wherever its numbers are: page, figure, JSON, terminal, MLflow."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from medtrimix.cli.results import print_table
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.machine import Machine
from medtrimix.pipeline.plan import make_plan
from medtrimix.report.figures.pretraining import health_curves
from medtrimix.report.study import Collapse, Study
from medtrimix.report.tables import write_results
from medtrimix.report.track import COLLAPSE, Recording, _points
from medtrimix.report.write import write_report
from medtrimix.steps.context import CURVES
from medtrimix.tracking.connection import sqlite_uri
from medtrimix.tracking.store import Tracker

MESSAGE = "epoch 2: the effective rank (RankMe) of the projector's output is 1.8, below 3"
SMOKE = Path(__file__).resolve().parents[2] / "pipelines" / "smoke.yaml"


@pytest.fixture(scope="module")
def collapsed(study: Study) -> Study:
    """The study with watched curves, and one arm collapsed."""
    images_M = np.array([9_000, 18_000, 90_000, 201_000])
    end = {"trimix": 31.0, "simclr": 35.0, "barlow_twins": 1.8}
    curves = tuple(
        dataclasses.replace(
            curve,
            watched={
                "rankme": (images_M, np.linspace(20, end[curve.arm], 4)),
                "feature_std": (images_M, np.linspace(0.04, end[curve.arm] / 500, 4)),
                "projector_rankme": (images_M, np.linspace(50, end[curve.arm], 4)),
                "knn_val_auc": (images_M[2:], np.array([0.8, 0.9])),
            },
            untrained={"rankme": 13.0, "feature_std": 0.02, "projector_rankme": 80.0, "knn_val_auc": 0.7},
        )
        for curve in study.loss_curves
    )
    return dataclasses.replace(study, loss_curves=curves, collapses=(Collapse("barlow_twins", 0, MESSAGE),))


def test_the_page_and_the_table_say_so(collapsed: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_report(collapsed, tmp_path)
    html = files.html.read_text()
    assert "<h2>Collapsed pretraining</h2>" in html
    assert "barlow_twins: epoch 2: the effective rank" in html
    assert (files.figures / "health.svg").is_file()
    found = json.loads(files.json.read_text())["collapses"]
    assert found == [{"arm": "barlow_twins", "pretrain_seed": 0, "message": MESSAGE}]
    print_table(tmp_path)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"collapsed barlow_twins: {MESSAGE}." in printed


def test_a_healthy_study_says_nothing(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Companion; nothing was watched in it either, so there is no figure."""
    files = write_report(study, tmp_path)
    assert "<h2>Collapsed pretraining</h2>" not in files.html.read_text()
    assert health_curves(study) is None
    print_table(tmp_path)
    assert "collapsed" not in capsys.readouterr().out


def test_the_table_says_whose_images_and_what_is_not_known(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(shown: Study) -> str:
        write_results(tmp_path / "results.json", shown)
        print_table(tmp_path)
        return " ".join(capsys.readouterr().out.split())

    assert "test n = 400 images of 206 patients; means" in printed(study)
    unknown = dataclasses.replace(study, cohort=dataclasses.replace(study.cohort, without_patient=1600))
    assert "test n = 400 images; means" in printed(unknown)
    nan_R = np.full(400, np.nan)
    undefined = tuple(dataclasses.replace(cell, draws={**cell.draws, "auc": nan_R}) for cell in study.cells)
    assert "[not known]" in printed(dataclasses.replace(study, cells=undefined))


def test_lines_begin_with_the_untrained_network(collapsed: Study) -> None:
    figure = health_curves(collapsed)
    assert figure is not None
    ranks = figure.axes[0].get_lines()
    assert [float(line.get_ydata()[0]) for line in ranks[:2]] == [13.0, 13.0]
    assert [line.get_marker() for line in ranks].count("x") == 1


def test_every_watched_point_goes_to_mlflow_and_losses_are_thinned(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": 1.0, "images": 2 * (step + 1), "time": 1.0} for step in range(1000)]
    lines[7]["rankme"] = 9.0
    (tmp_path / CURVES).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    points = _points(tmp_path / CURVES)
    assert [(point.name, point.step) for point in points if point.name != "loss"] == [("rankme", 7)]
    assert len(points) == 200 + 1


def test_a_line_that_is_being_written_is_read_next_time(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "loss": 1.0, "images": 2 * (step + 1), "time": 1.0}) for step in range(3)]
    for written in ("", lines[0][:9]):
        (tmp_path / CURVES).write_text(written)
        assert _points(tmp_path / CURVES) == []
    for cut in range(1, len(lines[2])):
        (tmp_path / CURVES).write_text(f"{lines[0]}\n{lines[1]}\n{lines[2][:cut]}")
        assert [point.step for point in _points(tmp_path / CURVES, total_images=6)] == [0, 1]


def test_the_alarm_is_a_tag_of_the_pretraining_and_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDTRIMIX_SECRET_FILE", str(tmp_path / "secret"))
    machine = Machine(device="cpu", precision="fp32", workers=1, threads=1, gpus=0)
    plan = make_plan(load_study(SMOKE), machine=machine, workspace=tmp_path)
    tracker = Tracker.open(sqlite_uri(tmp_path), experiment="x", artifact_root=tmp_path / "artifacts")
    recording = Recording(tracker, plan=plan, workspace=tmp_path)
    task = plan.of_step("pretrain")[0]
    recording.started(task)
    recording.warned(task, MESSAGE)
    parent = tracker._client.get_run(recording.parent_id)
    assert parent.data.tags[COLLAPSE] == f"pretrain trimix: {MESSAGE}"
    [child] = tracker._search({"mlflow.parentRunId": recording.parent_id})
    assert child.data.tags[COLLAPSE] == MESSAGE
    assert child.data.metrics["collapsed"] == 1.0
