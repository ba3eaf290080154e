"""Runs are written once, taken up again after a kill, and say nothing about the machine or its user."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medtrimix.errors import InputError
from medtrimix.tracking.connection import sqlite_uri
from medtrimix.tracking.dataset import DatasetCard
from medtrimix.tracking.record import CurvePoint, LabelPoint, RunRecord, Table, label_curve
from medtrimix.tracking.store import Tracker

CURVE = tuple(CurvePoint("loss/total", step, 5.0 / (step + 1), 1_700_000_000_000 + step) for step in range(40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for the module: creating one takes seconds."""
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture
def opened(folder: Path, request: pytest.FixtureRequest) -> Callable[[], Tracker]:
    """Opens the test's own experiment anew, as another process would."""
    name = request.node.name
    return lambda: Tracker.open(sqlite_uri(folder), experiment=name, artifact_root=folder / "artifacts")


def start(tracker: Tracker, digest: str = "d1") -> str:
    return tracker.start_parent(name="study", digest=digest, params={"arms": "trimix, scratch"})


def log(tracker: Tracker, parent: str, key: str, record: RunRecord) -> str:
    return tracker.log_child(parent, task_key=key, name=key, kind="cell", record=record)


def test_parameters_metrics_curves_and_files_arrive(opened: Callable[[], Tracker], tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    tracker = opened()
    parent = start(tracker)
    record = RunRecord(
        params={"label_seed": 3, "long": "x" * 9000},
        metrics={"auc": 0.93, "sensitivity@0.9": 0.5},
        curves=CURVE,
        artifacts=((tmp_path / "metrics.json", "facts"),),
        tags={"note": "y"},
        started_ms=1_000,
        ended_ms=3_500,
    )
    run = tracker._client.get_run(log(tracker, parent, "cell", record))
    assert run.data.params["label_seed"] == "3"
    assert len(run.data.params["long"]) <= 500
    assert run.data.metrics["auc"] == 0.93
    assert run.data.metrics["sensitivity_0.9"] == 0.5
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert (run.info.start_time, run.info.end_time, run.info.status) == (1_000, 3_500, "FINISHED")
    history = tracker._client.get_metric_history(run.info.run_id, "loss/total")
    assert [(point.step, point.value) for point in history] == [(point.step, point.value) for point in CURVE]
    assert [file.path for file in tracker._client.list_artifacts(run.info.run_id, "facts")] == ["facts/metrics.json"]


def test_a_finished_child_is_written_once(opened: Callable[[], Tracker]) -> None:
    tracker = opened()
    parent = start(tracker)
    first = log(tracker, parent, "cell", RunRecord(metrics={"auc": 0.9}))
    tracker.finish(parent, "FINISHED")
    again = opened()
    assert start(again) == parent
    assert log(again, parent, "cell", RunRecord(metrics={"auc": 0.1})) == first
    assert again._client.get_run(first).data.metrics["auc"] == 0.9
    assert log(again, parent, "other cell", RunRecord()) != first


def test_another_plan_is_another_study(opened: Callable[[], Tracker]) -> None:
    tracker = opened()
    assert start(tracker, "d1") != start(tracker, "d2")
    parents = [start(tracker, "d1"), start(tracker, "d2")]
    assert log(tracker, parents[0], "cell", RunRecord()) != log(tracker, parents[1], "cell", RunRecord())


def test_live_points_are_not_doubled_at_the_end(opened: Callable[[], Tracker]) -> None:
    tracker = opened()
    parent = start(tracker)
    run_id = tracker.start_child(parent, task_key="pre", name="pretrain trimix", kind="pretrain")
    assert tracker._client.get_run(run_id).info.status == "RUNNING"
    tracker.live(run_id, CURVE[:10])
    tracker.live(run_id, CURVE[5:20])
    later = opened()  # whoever goes on knows nothing of the points above
    start(later)
    record = RunRecord(curves=tuple(CurvePoint(p.name, p.step, p.value, p.timestamp_ms + 7) for p in CURVE))
    assert log(later, parent, "pre", record) == run_id
    steps = [point.step for point in later._client.get_metric_history(run_id, "loss/total")]
    assert sorted(steps) == list(range(40))


KILLED = """
import os, signal, sys
from pathlib import Path
from medtrimix.tracking.connection import sqlite_uri
from medtrimix.tracking.record import CurvePoint, RunRecord
from medtrimix.tracking.store import Tracker

folder, experiment = Path(sys.argv[1]), sys.argv[2]
tracker = Tracker.open(sqlite_uri(folder), experiment=experiment, artifact_root=folder / "artifacts")
parent = tracker.start_parent(name="study", digest="d1", params={"arms": "trimix, scratch"})
tracker.log_child(parent, task_key="done", name="done", kind="cell", record=RunRecord(metrics={"auc": 0.9}))
child = tracker.start_child(parent, task_key="pre", name="pre", kind="pretrain")
tracker.live(child, [CurvePoint("loss", step, 1.0, step) for step in range(5)])
print(parent, child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_study_is_taken_over(folder: Path, opened: Callable[[], Tracker]) -> None:
    tracker = opened()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), "test_a_killed_study_is_taken_over"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    parent, child = killed.stdout.split()
    assert start(tracker) == parent
    record = RunRecord(curves=tuple(CurvePoint("loss", step, 1.0, step) for step in range(9)))
    assert log(tracker, parent, "pre", record) == child
    tracker.finish(parent, "FINISHED")
    runs = tracker._search({"mlflow.parentRunId": parent})
    assert {run.data.tags["medtrimix.task"]: run.info.status for run in runs} == {"done": "FINISHED", "pre": "FINISHED"}
    assert len(tracker._client.get_metric_history(child, "loss")) == 9


def test_a_stopped_study_leaves_no_child_running(opened: Callable[[], Tracker]) -> None:
    tracker = opened()
    parent = start(tracker)
    child = tracker.start_child(parent, task_key="pre", name="pre", kind="pretrain")
    tracker.finish(parent, "KILLED")
    assert tracker._client.get_run(child).info.status == "KILLED"
    assert tracker._client.get_run(parent).info.status == "KILLED"


def test_label_curves_have_numbers_of_labels_as_steps(opened: Callable[[], Tracker]) -> None:
    tracker = opened()
    points = (
        LabelPoint("linear", 4698, 0.95, 0.94, 0.96),
        LabelPoint("linear", 47, 0.9, 0.87, 0.92),
        LabelPoint("finetune", 469, 0.8, 0.7, 0.9),
    )
    record = label_curve(points, arm="trimix", timestamp_ms=5, note="n", colour="#0072B2")
    run_id = log(tracker, start(tracker), "summary", record)
    history = {
        name: [(point.step, point.value) for point in tracker._client.get_metric_history(run_id, name)]
        for name in ("auc/linear", "auc/finetune", "interval/linear low", "interval/finetune high")
    }
    assert history == {
        "auc/linear": [(47, 0.9), (4698, 0.95)],
        "auc/finetune": [(469, 0.8)],
        "interval/linear low": [(47, 0.87), (4698, 0.94)],
        "interval/finetune high": [(469, 0.9)],
    }


def test_tables_are_in_the_form_that_the_pages_show(opened: Callable[[], Tracker], tmp_path: Path) -> None:
    tracker = opened()
    parent = start(tracker)
    for _ in range(2):
        tracker.log_tables(
            parent, {"auc": Table(("arm", "auc"), [("trimix", 0.9), ("scratch", None)])}, folder="tables"
        )
    place = tracker._client.download_artifacts(parent, "tables/auc.json", str(tmp_path))
    assert json.loads(Path(place).read_text()) == {
        "columns": ["arm", "auc"],
        "data": [["trimix", 0.9], ["scratch", None]],
    }
    shown = json.loads(tracker._client.get_run(parent).data.tags["mlflow.loggedArtifacts"])
    assert shown == [{"path": "tables/auc.json", "type": "table"}]


def test_a_data_set_is_named_once_without_its_place(opened: Callable[[], Tracker]) -> None:
    card = DatasetCard("chest", "ab" * 32, "training", {"image": "uint8"}, {"train images": 960})
    tracker = opened()
    parent = start(tracker)
    tracker.log_dataset(parent, card)
    tracker.log_dataset(parent, card)
    (found,) = tracker._client.get_run(parent).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("chest", ("ab" * 32)[:36])
    assert found.dataset.source == '{"sha256": "' + "ab" * 32 + '"}'


def test_a_deleted_experiment_is_refused(opened: Callable[[], Tracker]) -> None:
    tracker = opened()
    tracker._client.delete_experiment(tracker.experiment_id)
    with pytest.raises(InputError, match="bin"):
        opened()


@pytest.mark.parametrize("uri", ["./mlruns", "file:///data/mlruns"])
def test_a_folder_of_runs_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="sqlite"):
        Tracker.open(uri, experiment="x", artifact_root=None)


def strings_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("mlflow.db*")))


def test_the_database_names_neither_user_nor_machine(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("private")
    canaries = {
        "LOGNAME": "canaryuser",
        "USER": "canaryuser",
        "HOSTNAME": "canaryhost",
        "GIT_AUTHOR_NAME": "canaryuser",
    }
    for key, value in canaries.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys, "argv", ["/canary/path/program", "--canary-option"])
    elsewhere = tmp_path_factory.mktemp("canarycwd")
    monkeypatch.chdir(elsewhere)
    tracker = Tracker.open(sqlite_uri(folder), experiment="x", artifact_root=folder / "artifacts")
    parent = start(tracker)
    tracker.log_dataset(parent, DatasetCard("set", "a" * 64, "training", {"image": "uint8"}, {"images": 3}))
    tracker.set_note(parent, "note")
    log(tracker, parent, "cell", RunRecord(metrics={"auc": 0.9}))
    tracker.finish(parent, "FINISHED")
    content = strings_of(folder)
    assert b"medtrimix.plan" in content  # the bytes are those of the right file
    repository = str(Path(__file__).resolve().parents[2])
    for secret in ("canary", getpass.getuser() + "@", socket.gethostname(), repository, sys.executable):
        assert secret.encode() not in content, secret
    # The one path that MLflow needs is where it keeps the files.
    assert content.count(str(folder).encode()) == content.count(str(folder / "artifacts").encode())
    assert not list(elsewhere.iterdir())


def test_the_search_for_leaks_can_find_one(folder: Path, opened: Callable[[], Tracker]) -> None:
    opened().start_parent(name="study", digest="d", params={"host": "canaryhost"})
    assert b"canary" in strings_of(folder)


def test_importing_the_modules_leaves_mlflow_alone() -> None:
    code = (
        "import sys, medtrimix.tracking.store, medtrimix.tracking.ui, medtrimix.tracking.options; "
        "print(sorted({'mlflow', 'sqlalchemy', 'torch'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert found.stdout.strip() == "[]"
