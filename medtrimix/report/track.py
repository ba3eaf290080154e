"""A study's runs in MLflow, written while the plan runs: the parent, one child per pretraining, one per cell."""

from __future__ import annotations

import json
from pathlib import Path

from medtrimix.config.files import read_json
from medtrimix.errors import MedtrimixError
from medtrimix.nets.card import encoder_files
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.checkpoint import ENCODER
from medtrimix.pipeline.graph import Task
from medtrimix.pipeline.plan import Plan
from medtrimix.report.cohort import source_kind
from medtrimix.report.collect import environment
from medtrimix.steps import pretrain
from medtrimix.steps.context import CURVES, RECORD, read_warning
from medtrimix.tracking.record import CurvePoint, RunRecord
from medtrimix.tracking.store import Tracker
from medtrimix.training.health import WATCHED

_POINTS = 200
"""Points of a curve that MLflow gets; all of them are in the artifact."""
COLLAPSE = "medtrimix.collapse"
"""Tag of a pretraining that raised the alarm, and of its study."""
_KINDS = {"pretrain": "pretrain", "evaluate": "cell"}


class Recording:
    """Writes runs as tasks proceed. Implements `pipeline.run.Observer`.

    Attributes:
        parent_id: run id of the study.
    """

    def __init__(self, tracker: Tracker, *, plan: Plan, workspace: Path) -> None:
        self._tracker = tracker
        self._cache = StepCache(workspace / "steps")
        study = plan.study
        params = {
            "source": source_kind(study.data.source),
            "arms": ", ".join(study.pretrain.arms),
            "encoder": f"{study.pretrain.encoder.name} x {study.pretrain.encoder.width:g}",
            "length": f"{study.pretrain.epochs} epochs"
            if study.pretrain.epochs
            else f"{study.pretrain.image_budget} images",
            "pretrain_seeds": str(study.pretrain.seeds),
            "batch_size": str(study.pretrain.batch_size),
        }
        self.parent_id = tracker.start_parent(
            name=study.name, digest=plan.digest, params={**params, **environment(plan)}
        )
        self._sent: dict[str, int] = {}
        self._collapses: dict[str, str] = {}

    def started(self, task: Task) -> None:
        """A pretraining appears at once, so that it can be watched."""
        if task.step == "pretrain":
            self._start(task)

    def progressed(self, task: Task, done: int, total: int, unit: str) -> None:  # noqa: ARG002 (the display's)
        """Sends the new points of a pretraining's curves."""
        if task.step != "pretrain":
            return
        points = _points(self._folder(task) / CURVES, total_images=total)
        new = points[self._sent.get(task.name, 0) :]
        if new:
            self._tracker.live(self._start(task), new)
            self._sent[task.name] = len(points)

    def warned(self, task: Task, message: str) -> None:
        """Tags a pretraining and its study, at once and not only when it has ended."""
        if task.step == "pretrain":
            self._tracker.log_record(self._start(task), RunRecord(metrics={"collapsed": 1.0}, tags={COLLAPSE: message}))
            self._tag_study(task, message)

    def finished(self, task: Task, *, cached: bool) -> None:
        """Writes the run of a pretraining or a cell."""
        if task.step in _KINDS:
            self._tracker.log_child(
                self.parent_id,
                task_key=_identity(task),
                name=_run_name(task),
                kind=_KINDS[task.step],
                record=self._record(task),
                cached=cached,
            )
        if task.step == "pretrain" and (note := _collapse_note(self._folder(task))):
            self._tag_study(task, note)

    def failed(self, task: Task, error: MedtrimixError) -> None:
        """The parent ends as failed; which task it was, the terminal says."""

    def stopping(self) -> None:
        """The parent ends as killed."""

    def _start(self, task: Task) -> str:
        return self._tracker.start_child(
            self.parent_id, task_key=_identity(task), name=_run_name(task), kind=_KINDS[task.step]
        )

    def _tag_study(self, task: Task, message: str) -> None:
        """The study's tag has a line for each of its pretrainings."""
        self._collapses[_run_name(task)] = message
        lines = "\n".join(f"{name}: {what}" for name, what in self._collapses.items())
        self._tracker.log_record(self.parent_id, RunRecord(tags={COLLAPSE: lines}))

    def _folder(self, task: Task) -> Path:
        return self._cache.folder(task.step, key=task.key)

    def _record(self, task: Task) -> RunRecord:
        folder = self._folder(task)
        values = read_json(folder / RECORD)
        params, metrics = {**task.labels, **values["params"]}, dict(values["metrics"])
        if task.step == "evaluate":
            metrics |= read_json(task.inputs["learn"] / RECORD)["metrics"]
            params["n_labels"] = metrics["n_labels"]
            return RunRecord(params=params, metrics=metrics, artifacts=((folder / "metrics.json", ""),))
        curves = folder / CURVES
        if not curves.is_file():
            return RunRecord(params=params, metrics=metrics)
        encoder = tuple((file, ENCODER) for file in encoder_files(pretrain.encoder_stem(folder)))
        note = _collapse_note(folder)
        return RunRecord(
            params=params,
            metrics=metrics,
            curves=_points(curves),
            artifacts=((curves, ""), *encoder),
            tags={COLLAPSE: note} if note else {},
        )


def _identity(task: Task) -> str:
    """Of a task's run: its key and its name, for two arms can be one task, as with the same checkpoint given twice."""
    return f"{task.key} {task.name}"


def _collapse_note(folder: Path) -> str:
    """What the tag of a pretraining says; one that recovered is told from one that did not."""
    if passed := read_warning(folder, passed=True):
        return f"recovered by the end: {passed}"
    return read_warning(folder)


def _run_name(task: Task) -> str:
    labels = task.labels
    number = f" {labels['pretrain_seed']}" if "pretrain_seed" in labels else ""
    if task.step == "pretrain":
        return f"pretrain {labels['arm']}{number}"
    return f"{labels['arm']}{number} {labels['strategy']} {labels['budget']} seed {labels['label_seed']}"


def _points(path: Path, *, total_images: int | None = None) -> list[CurvePoint]:
    """About `_POINTS` points of the losses and all of what is watched, the same however far the training is."""
    if not path.is_file():
        return []
    written, _, _ = path.read_text().rpartition("\n")  # the writer may be in the middle of a line
    lines = [json.loads(line) for line in written.splitlines()]
    if not lines:
        return []
    total = total_images or lines[-1]["images"]
    stride = max(1, round(total / lines[0]["images"]) // _POINTS)
    return [
        CurvePoint(name, line["step"], value, round(1000 * line["time"]))
        for line in lines
        for name, value in line.items()
        if name not in ("step", "time", "images") and (line["step"] % stride == 0 or name in WATCHED)
    ]
