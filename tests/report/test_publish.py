"""A published study has its answer, its files and one curve per arm, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from medtrimix.report.headline import headline
from medtrimix.report.publish import publish
from medtrimix.report.study import Study
from medtrimix.report.summary import summarise
from medtrimix.report.write import ReportFiles
from medtrimix.tracking.connection import sqlite_uri
from medtrimix.tracking.store import Tracker


def test_publishing_twice_is_publishing_once(study: Study, files: ReportFiles, tmp_path: Path) -> None:
    tracker = Tracker.open(sqlite_uri(tmp_path), experiment="x", artifact_root=tmp_path / "artifacts")
    parent = tracker.start_parent(name=study.name, digest=study.digest, params={})
    for _ in range(2):
        publish(study, files=files, tracker=tracker, parent_id=parent)
    run = tracker._client.get_run(parent)
    assert run.data.tags["mlflow.note.content"].startswith("**With 10 labelled images")
    assert {file.path for file in tracker._client.list_artifacts(parent, "report")} >= {
        "report/report.html",
        "report/results.csv",
        "report/results.json",
    }
    rows = {(row.arm, row.strategy, row.budget): row for row in summarise(study)}
    assert run.data.metrics["auc linear at 10 labels/simclr"] == rows["simclr", "linear", "1%"].metrics["auc"].value
    children = {child.data.params["arm"]: child for child in tracker._search({"mlflow.parentRunId": parent})}
    assert set(children) == set(study.arms)
    curve = tracker._client.get_metric_history(children["scratch"].info.run_id, "auc/finetune")
    assert [(point.step, point.value) for point in curve] == [
        (step, pytest.approx(rows["scratch", "finetune", budget].metrics["auc"].value))
        for step, budget in ((10, "1%"), (96, "10%"), (960, "100%"))
    ]
    assert run.data.tags["answer"] == headline(study).answer
    assert {file.path for file in tracker._client.list_artifacts(parent, "tables")} == {
        "tables/label_efficiency.json",
        "tables/results.json",
    }
