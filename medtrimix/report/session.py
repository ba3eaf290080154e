"""A run from the first task to the published report: what the command line wraps around the work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medtrimix.config.digest import digest_of
from medtrimix.config.files import alone_in, read_json
from medtrimix.errors import Interrupted, LeakageError
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.plan import Plan
from medtrimix.pipeline.published import mark_published, results_folder
from medtrimix.report.audit import LEAK, write_audit
from medtrimix.report.collect import collect
from medtrimix.report.publish import publish
from medtrimix.report.quality.page import write_quality
from medtrimix.report.study import Study
from medtrimix.report.track import Recording
from medtrimix.report.wording import count
from medtrimix.report.write import write_report
from medtrimix.steps import audit, ingest, split
from medtrimix.tracking.connection import sqlite_uri
from medtrimix.tracking.dataset import DatasetCard
from medtrimix.tracking.record import RunRecord
from medtrimix.tracking.store import Tracker


def open_tracker(plan: Plan, *, workspace: Path) -> Tracker:
    """The tracker that the study asks for; without wishes SQLite and files in the workspace."""
    wanted = plan.study.tracking
    local = wanted.uri is None
    return Tracker.open(
        wanted.uri or sqlite_uri(workspace / "mlflow"),
        experiment=wanted.experiment or plan.study.name,
        artifact_root=workspace / "mlflow" / "artifacts" if local else None,
    )


@contextmanager
def published(plan: Plan, *, workspace: Path, done: frozenset[str]) -> Iterator[Recording]:
    """Opens the study's run in MLflow; when the block has done the work, writes and publishes the report.

    A block that ends with an error leaves a run that says so; the next attempt takes the same run up again. Two
    processes that run one study write its report one after the other.
    """
    tracker = open_tracker(plan, workspace=workspace)
    recording = Recording(tracker, plan=plan, workspace=workspace)
    try:
        yield recording
        folder = results_folder(plan, workspace=workspace)
        with alone_in(folder):
            study = collect(plan, workspace=workspace, cached=done)
            files = write_report(study, folder)
            _write_quality(plan, workspace=workspace)
            tracker.log_dataset(recording.parent_id, _dataset(study, plan=plan, workspace=workspace))
            publish(study, files=files, tracker=tracker, parent_id=recording.parent_id)
            _publish_audit(plan, workspace=workspace, tracker=tracker, parent_id=recording.parent_id)
            frozen = split.frozen_file(StepCache(workspace / "steps").folder("split", key=plan.of_step("split")[0].key))
            shutil.copyfile(frozen, folder / "split.csv")
    except BaseException as error:
        if isinstance(error, LeakageError):
            _publish_audit(plan, workspace=workspace, tracker=tracker, parent_id=recording.parent_id)
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        tracker.finish(recording.parent_id, "KILLED" if stopped else "FAILED")
        raise
    tracker.finish(recording.parent_id, "FINISHED")
    mark_published(
        plan,
        workspace=workspace,
        run_id=recording.parent_id,
        experiment_id=tracker.experiment_id,
    )


def _write_quality(plan: Plan, *, workspace: Path) -> None:
    """What the images are like, on a page of its own beside the report; it stays in the workspace."""
    folder = StepCache(workspace / "steps").folder("ingest", key=plan.of_step("ingest")[0].key)
    write_quality(
        ingest.store_folder(folder),
        verdicts=read_json(ingest.verdicts_file(folder)),
        out=results_folder(plan, workspace=workspace) / "quality.html",
        pictures=plan.study.report.examples,
    )


def _publish_audit(plan: Plan, *, workspace: Path, tracker: Tracker, parent_id: str) -> None:
    """The audit's page and facts, beside the results and in MLflow; a refused study has them too."""
    folder = StepCache(workspace / "steps").folder("audit", key=plan.of_step("audit")[0].key)
    report = read_json(audit.audit_file(folder))
    for file in write_audit(report, name=plan.study.name, out=results_folder(plan, workspace=workspace)):
        tracker.log_artifacts(parent_id, file, folder="report")
    if report["findings"]:
        tracker.log_record(parent_id, RunRecord(tags={LEAK: count(len(report["findings"]), "leak")}))


def _dataset(study: Study, *, plan: Plan, workspace: Path) -> DatasetCard:
    ingested = plan.of_step("ingest")[0]
    marker = read_json(StepCache(workspace / "steps").folder("ingest", key=ingested.key) / "done.json")
    files = {name: facts["sha256"] for name, facts in marker["files"].items() if name.startswith("store/")}
    counts = {f"{side.split} images": side.images for side in study.cohort.splits}
    counts |= {f"{side.split} patients": side.patients for side in study.cohort.splits}
    return DatasetCard(
        name=study.name,
        digest=digest_of(files),
        context="training and test",
        schema={"image": f"uint8, {study.cohort.image}", "label": ", ".join(study.classes)},
        profile=counts,
    )
