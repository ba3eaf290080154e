"""Runs by id or by name, as a person types them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medtrimix.errors import InputError
from medtrimix.tracking.connection import connect, sqlite_file
from medtrimix.tracking.store import KIND, PARENT, TASK

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_ID = re.compile(r"[0-9a-f]{32}")
_KINDS = ("study", "summary", "cell", "pretrain")


@dataclass(frozen=True)
class FoundRun:
    """A run of a study, or a study.

    Attributes:
        run_id: MLflow's id.
        name: as MLflow's table has it.
        kind: `study`, `summary` (one arm), `cell` or `pretrain`.
        params: parameters; of a cell its arm, strategy, budget and seeds.
        task: key of the task that it records and the task's name, "" for a study.
        parent_id: the study's run, "" for a study.
    """

    run_id: str
    name: str
    kind: str
    params: Mapping[str, str]
    task: str
    parent_id: str


class Runs:
    """Looks runs up; writes nothing."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    @classmethod
    def open(cls, uri: str) -> Runs:
        """Connects to what is there.

        Raises:
            InputError: no such database, or the address is not usable.
        """
        file = sqlite_file(uri)
        if file is not None and not file.is_file():
            raise InputError(
                "Nothing is recorded here yet.",
                fix="Give --workspace or --tracking-uri of the place that has the runs.",
            )
        return cls(connect(uri, artifact_root=None))

    def find(self, text: str) -> FoundRun:
        """The run of this id, or the newest finished one of this name; `STUDY/RUN` names a run of one study.

        Raises:
            InputError: there is none, or runs of several studies have the name.
        """
        with _readable():
            if _ID.fullmatch(text):
                return _found(self._client.get_run(text))
            study, _, name = text.rpartition("/")
            found = self._named(name)
            if study:
                parents = {run.run_id for run in self._named(study) if run.kind == "study"}
                found = [run for run in found if run.parent_id in parents]
            if not found:
                raise InputError(
                    f"There is no run named '{text}'.",
                    fix="Take a name or an id from `medtrimix ui`: a study, 'ARM over labels' or a cell.",
                )
            studies = {self._client.get_run(run.parent_id).info.run_name for run in found if run.parent_id}
            if len(studies) > 1:
                choices = ", ".join(sorted(f"'{each}/{name}'" for each in studies))
                raise InputError(f"Several studies have a run named '{name}'.", fix=f"Say which: {choices}.")
            return found[0]

    def cells(self, study_id: str) -> list[FoundRun]:
        """The finished cells of a study."""
        with _readable():
            query = f"tags.`{PARENT}` = '{study_id}' and tags.`{KIND}` = 'cell' and attributes.status = 'FINISHED'"
            return [_found(run) for run in self._search(query)]

    def _named(self, name: str) -> list[FoundRun]:
        """Newest first, finished ones before others."""
        if "'" in name or not name:
            return []
        runs = self._search(f"attributes.run_name = '{name}'")
        runs.sort(key=lambda run: (run.info.status != "FINISHED", -run.info.start_time))
        return [found for run in runs if (found := _found(run)).kind in _KINDS]

    def _search(self, query: str) -> list[Run]:
        experiments = [found.experiment_id for found in self._client.search_experiments()]
        runs: list[Run] = []
        token = None
        while experiments:
            page: Sequence[Run] = self._client.search_runs(experiments, query, max_results=1000, page_token=token)
            runs.extend(page)
            token = page.token  # type: ignore[attr-defined]
            if not token:
                break
        return runs


def _found(run: Run) -> FoundRun:
    tags = run.data.tags
    return FoundRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        kind=tags.get(KIND, ""),
        params=dict(run.data.params),
        task=tags.get(TASK, ""),
        parent_id=tags.get(PARENT, ""),
    )


@contextmanager
def _readable() -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:  # its message has addresses and paths
        raise InputError(
            f"The MLflow run can't be read ({type(error).__name__}).", fix="Check the id, and where it was recorded."
        ) from None
