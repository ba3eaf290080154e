"""Whether a study's results lie ready, told without reading them."""

from __future__ import annotations

from pathlib import Path

from medtrimix.config.digest import digest_of
from medtrimix.config.files import read_json, write_json
from medtrimix.pipeline.code import digest_of_code
from medtrimix.pipeline.plan import Plan

_MARKER = "published.json"
_REPORT = "medtrimix.report.session"


def results_folder(plan: Plan, *, workspace: Path) -> Path:
    """Where the tables and the report of a study go."""
    return workspace / "results" / plan.study.name


def is_published(plan: Plan, *, workspace: Path) -> bool:
    """Whether the results are those of this very plan, made by this very code."""
    try:
        marker = read_json(results_folder(plan, workspace=workspace) / _MARKER)
    except (OSError, ValueError):
        return False
    return bool(marker["digest"] == _digest(plan))


def mark_published(plan: Plan, *, workspace: Path, run_id: str, experiment_id: str) -> None:
    """Says so, and which run in MLflow has them; `local`: in the workspace's own database."""
    local = plan.study.tracking.uri is None
    facts = {"digest": _digest(plan), "local": local, "run_id": run_id, "experiment_id": experiment_id}
    write_json(results_folder(plan, workspace=workspace) / _MARKER, facts)


def _digest(plan: Plan) -> str:
    return digest_of([plan.digest, digest_of_code(_REPORT)])
