"""A loss that is broken in the pipeline file is told within two epochs, where people look; a healthy one is not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import Ran, medtrimix

STUDY = """
name: collapse
seed: 1
data: {source: phantom, image_size: [28, 28]}
phantom: {patients: 150, image_px: 48}
split: {val: 0.2, test: 0.3}
pretrain:
  encoder: {name: resnet10, width: 0.125}
  batch_size: 8
  epochs: 2
  optimizer: {learning_rate: 5.0e-3}
  arms:
    broken: {method: vicreg, variance_weight: 0, covariance_weight: 0}
    healthy: {method: vicreg}
learn: {strategies: [linear], label_budgets: [1.0], label_seeds: 1}
evaluate: {bootstrap: 100}
compute: {precision: fp32, workers: 1}
"""
"""Small batches and a rate five times the default, so that two epochs of few images are steps enough to collapse."""


@dataclass(frozen=True)
class Told:
    """What MLflow has of a run: the tag of the alarm, "" without one, and the metric; None without one."""

    tag: str
    collapsed: float | None


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("collapse")
    (folder / "study.yaml").write_text(STUDY)
    done = medtrimix("run", folder / "study.yaml", workspace=folder / "workspace")
    assert done.code == 0, done.output
    return done


def told(ran: Ran) -> dict[str, Told]:
    """By name of the run: the study's and those of the pretrainings."""
    with closing(sqlite3.connect(ran.workspace / "mlflow" / "mlflow.db")) as database:
        runs = database.execute(
            "select run_uuid, name from runs join tags using (run_uuid)"
            " where key = 'medtrimix.kind' and value in ('study', 'pretrain')"
        )
        return {name: _told(database, run) for run, name in runs.fetchall()}


def _told(database: sqlite3.Connection, run: str) -> Told:
    tag = database.execute("select value from tags where run_uuid = ? and key = 'medtrimix.collapse'", [run])
    metric = database.execute("select value from latest_metrics where run_uuid = ? and key = 'collapsed'", [run])
    [text], [value] = tag.fetchone() or ("",), metric.fetchone() or (None,)
    return Told(text, value)


def test_the_broken_loss_is_told_within_two_epochs(ran: Ran) -> None:
    broken = told(ran)["pretrain broken"]
    assert broken.collapsed == 1.0
    assert broken.tag.startswith(("epoch 1: ", "epoch 2: "))
    assert "of the projector's output is" in broken.tag


def test_the_study_is_tagged_and_the_terminal_says_it_too(ran: Ran) -> None:
    runs = told(ran)
    assert runs["collapse"].tag == f"pretrain broken: {runs['pretrain broken'].tag}"
    assert "below 0.25" in ran.output


def test_the_healthy_arm_beside_it_is_left_alone(ran: Ran) -> None:
    """Companion: the alarm can be silent."""
    assert told(ran)["pretrain healthy"] == Told("", 0.0)


def test_another_run_s_tag_is_not_taken_for_its_own(ran: Ran, tmp_path: Path) -> None:
    """Companion: with the broken arm's tag gone, the first test would fail."""
    (tmp_path / "mlflow").mkdir()
    with (
        closing(sqlite3.connect(ran.workspace / "mlflow" / "mlflow.db")) as database,
        closing(sqlite3.connect(tmp_path / "mlflow" / "mlflow.db")) as copy,
    ):
        database.backup(copy)
        copy.execute("delete from tags where key = 'medtrimix.collapse' and value like 'epoch%'")
        copy.execute("delete from latest_metrics where key = 'collapsed'")
        copy.commit()
    runs = told(Ran(tmp_path, 0, ""))
    assert runs["pretrain broken"] == Told("", None)
    assert runs["collapse"].tag
