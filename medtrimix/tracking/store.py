"""The tracker: the one writer of a study's runs.

Only the parent process of a pipeline run holds one. Everything can be repeated: a run is found by what it is about
(the plan's digest, the task's key), never by a remembered id, so a study that was killed goes on in the same runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medtrimix.errors import InputError
from medtrimix.tracking.connection import alone, connect, telling_why
from medtrimix.tracking.dataset import DatasetCard, as_input
from medtrimix.tracking.record import CurvePoint, RunRecord, Table
from medtrimix.tracking.text import clean_name, short_tag, short_value
from medtrimix.tracking.views import saved_views

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Status = Literal["FINISHED", "FAILED", "KILLED"]

PLAN, TASK, KIND, CACHED = "medtrimix.plan", "medtrimix.task", "medtrimix.kind", "medtrimix.cached"
PARENT = "mlflow.parentRunId"
_NEUTRAL = {"mlflow.user": "medtrimix", "mlflow.source.name": "medtrimix", "mlflow.source.type": "LOCAL"}
"""Set on every run, so that no account, command line or repository of the hospital's machine is recorded."""

_EXPERIMENT = {
    "mlflow.experimentKind": "custom_model_development",  # training, not language models
    "mlflow.note.content": "One run per study: its page has the answer, its Artifacts tab the report. "
    "Its child runs are the pretrainings, the cells and one label curve per arm.",
}


class Tracker:
    """Writes the runs of one experiment.

    Attributes:
        experiment_id: MLflow's number of the experiment.
    """

    def __init__(self, client: MlflowClient, *, uri: str, experiment_id: str) -> None:
        self._client = client
        self._uri = uri
        self.experiment_id = experiment_id
        self._children: dict[str, dict[str, tuple[str, str]]] = {}  # parent -> task key -> (run id, status)
        self._drawn: dict[str, set[tuple[str, int]]] = {}  # run id -> (curve, step) that are written
        self._resumed: set[str] = set()  # runs that an earlier process began

    @classmethod
    def open(cls, uri: str, *, experiment: str, artifact_root: Path | None) -> Tracker:
        """Connects, creating the database and the experiment where they are missing.

        Args:
            uri: see `TrackingOptions`.
            experiment: the experiment's name.
            artifact_root: folder for files of a local database; None leaves the place to the tracking server.

        Raises:
            InputError: the address is not usable, nobody answers there, or the experiment was deleted.
        """
        client = connect(uri, artifact_root=artifact_root)
        with telling_why():
            found = client.get_experiment_by_name(experiment)
            if found is None:
                place = None if artifact_root is None else artifact_root.resolve().as_uri()
                experiment_id = client.create_experiment(experiment, artifact_location=place, tags=_EXPERIMENT)
            else:
                experiment_id = found.experiment_id
        if found is not None and found.lifecycle_stage != "active":
            raise InputError(
                "This MLflow experiment is in the bin.",
                where=f"tracking.experiment: {experiment}",
                fix="Restore it in MLflow, or choose another name.",
            )
        return cls(client, uri=uri, experiment_id=experiment_id)

    def start_parent(
        self, *, name: str, digest: str, params: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> str:
        """Run id of the study: the one that has this plan's digest, taken up again, or a new one."""
        identity = {PLAN: digest, KIND: "study"}
        with alone(self._uri):
            found = self._search(identity)
            run_id = str(found[0].info.run_id) if found else self._create(name, tags=identity, started_ms=0)
        if found:
            self._client.update_run(run_id, status="RUNNING", name=name)
            self._resumed.add(run_id)
        else:
            for key, value in saved_views(run_id).items():
                self._client.set_experiment_tag(self.experiment_id, key, value)
        self._log(run_id, RunRecord(params=params, tags=tags or {}))
        self._children[run_id] = {
            run.data.tags[TASK]: (run.info.run_id, run.info.status)
            for run in self._search({PARENT: run_id})
            if TASK in run.data.tags
        }
        self._resumed.update(child_id for child_id, _ in self._children[run_id].values())
        return run_id

    def start_child(self, parent_id: str, *, task_key: str, name: str, kind: str, started_ms: int = 0) -> str:
        """Run id of a task under way, to be followed with `live`; the run of an earlier attempt is taken up again."""
        with alone(self._uri):
            run_id, status = self._child(parent_id, task_key)
            if not run_id:
                identity = {PARENT: parent_id, TASK: task_key, KIND: kind}
                run_id, status = self._create(name, tags=identity, started_ms=started_ms), "RUNNING"
        if status != "RUNNING":
            self._client.update_run(run_id, status="RUNNING")
        self._children[parent_id][task_key] = (run_id, "RUNNING")
        return run_id

    def live(self, run_id: str, points: Sequence[CurvePoint]) -> None:
        """Adds points to the curves of a run; a point that is there already is left alone."""
        self._log(run_id, RunRecord(curves=points))

    def log_child(
        self, parent_id: str, *, task_key: str, name: str, kind: str, record: RunRecord, cached: bool = False
    ) -> str:
        """Run id of a finished task, written once: a second call with the same key changes nothing.

        Args:
            parent_id: what `start_parent` returned.
            task_key: the task's key in the plan.
            name: what a person reads in the table.
            kind: `pretrain`, `cell`, `summary` or another step's name.
            record: what to write.
            cached: the result was there already and nothing was computed.
        """
        run_id, status = self._child(parent_id, task_key)
        if status == "FINISHED":
            return run_id
        run_id = self.start_child(parent_id, task_key=task_key, name=name, kind=kind, started_ms=record.started_ms)
        self._log(run_id, record, tags={CACHED: str(cached).lower()})
        self._client.set_terminated(run_id, "FINISHED", end_time=record.ended_ms or _now_ms())
        self._children[parent_id][task_key] = (run_id, "FINISHED")
        return run_id

    def log_record(self, run_id: str, record: RunRecord) -> None:
        """Adds to a run, usually the parent: the study's own numbers and files."""
        self._log(run_id, record)

    def log_artifacts(self, run_id: str, source: Path, *, folder: str = "") -> None:
        """Copies a file, or everything in a folder, to `folder` of the run's files; same names are replaced."""
        if source.is_dir():
            self._client.log_artifacts(run_id, str(source), folder or None)
        else:
            self._client.log_artifact(run_id, str(source), folder or None)

    def set_note(self, run_id: str, markdown: str) -> None:
        """Sets the description that opens the run's page."""
        self._client.set_tag(run_id, "mlflow.note.content", short_tag(markdown))

    def log_tables(self, run_id: str, tables: Mapping[str, Table], *, folder: str) -> None:
        """Writes `folder/<name>.json`, which MLflow's pages show as tables; same names are replaced."""
        shown = []
        for name, table in tables.items():
            file = f"{folder}/{name}.json"
            self._client.log_dict(run_id, {"columns": list(table.columns), "data": [list(r) for r in table.rows]}, file)
            shown.append({"path": file, "type": "table"})
        self._client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps(shown))

    def log_dataset(self, run_id: str, card: DatasetCard) -> None:
        """Names the data of a run by pseudonym, digest and counts."""
        self._client.log_inputs(run_id, [as_input(card)])

    def finish(self, run_id: str, status: Status) -> None:
        """Ends a run; children of a study that are still under way end the same way."""
        for task_key, (child_id, child_status) in self._children.get(run_id, {}).items():
            if child_status == "RUNNING":
                self._client.set_terminated(child_id, status)
                self._children[run_id][task_key] = (child_id, status)
        self._client.set_terminated(run_id, status)

    def _child(self, parent_id: str, task_key: str) -> tuple[str, str]:
        """Id and status of a task's run, empty without one; another process may have begun it a moment ago."""
        children = self._children[parent_id]
        if task_key not in children:
            for run in self._search({PARENT: parent_id, TASK: task_key}):
                children[task_key] = (run.info.run_id, run.info.status)
                self._resumed.add(run.info.run_id)
        return children.get(task_key, ("", ""))

    def _new_points(self, run_id: str, curves: Sequence[CurvePoint]) -> list[tuple[str, CurvePoint]]:
        """Points whose step is not on the curve yet. MLflow would sort out repeated ones too, a hundred at a time."""
        drawn = self._drawn.setdefault(run_id, set())
        points = [(clean_name(point.name), point) for point in curves]
        known = {name for name, _ in drawn}
        for name in dict.fromkeys(name for name, _ in points):
            if name not in known and run_id in self._resumed:
                drawn.update((name, metric.step) for metric in self._client.get_metric_history(run_id, name))
        new = {(name, point.step): (name, point) for name, point in points if (name, point.step) not in drawn}
        drawn.update(new)
        return list(new.values())

    def _create(self, name: str, *, tags: Mapping[str, str], started_ms: int) -> str:
        run = self._client.create_run(
            self.experiment_id, start_time=started_ms or _now_ms(), run_name=name, tags={**_NEUTRAL, **tags}
        )
        return str(run.info.run_id)

    def _search(self, tags: Mapping[str, str]) -> list[Run]:
        """Every run that has all these tags, oldest first."""
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id], query, max_results=1000, order_by=["attributes.start_time ASC"], page_token=token
            )
            runs.extend(page)
            token = page.token
            if not token:
                return runs

    def _log(self, run_id: str, record: RunRecord, *, tags: Mapping[str, str] | None = None) -> None:
        from mlflow.entities import Metric, Param, RunTag

        moment = record.ended_ms or _now_ms()
        metrics = [Metric(clean_name(name), float(value), moment, 0) for name, value in record.metrics.items()]
        metrics += [
            Metric(name, point.value, point.timestamp_ms, point.step)
            for name, point in self._new_points(run_id, record.curves)
        ]
        params = [Param(clean_name(key), short_value(value)) for key, value in record.params.items()]
        if params and run_id in self._resumed:  # MLflow refuses to change a parameter
            written = self._client.get_run(run_id).data.params
            params = [param for param in params if param.key not in written]
        run_tags = [RunTag(key, short_tag(value)) for key, value in {**record.tags, **(tags or {})}.items()]
        if metrics or params or run_tags:
            with alone(self._uri):  # two processes that add the same points at once make MLflow fail
                self._client.log_batch(run_id, metrics=metrics, params=params, tags=run_tags)
        for source, folder in record.artifacts:
            self.log_artifacts(run_id, source, folder=folder)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
