"""Starting MLflow's pages, and links that open on what a researcher looks for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from medtrimix.tracking.pages import APP
from medtrimix.tracking.views import cells_key, curves_key

_TRAINING = "workflowType=machine_learning"
"""MLflow 3 opens in its "GenAI" mode, where training runs are hidden."""


@dataclass(frozen=True)
class Links:
    """Addresses of one study's pages.

    Attributes:
        study: the parent run: the answer, parameters, children.
        report: the report inside MLflow.
        cells: the table of all cells with their metrics.
        curves: AUC over the number of labels, one line per arm.
    """

    study: str
    report: str
    cells: str
    curves: str


def server_command(uri: str, *, port: int, artifact_root: Path | None = None) -> list[str]:
    """Command line of a server for this machine only; start it with `connection.quiet_environment()`."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--app-name", APP, "--backend-store-uri", uri]
    if artifact_root is not None:
        command += ["--artifacts-destination", str(artifact_root.resolve())]
    return command


def links(base: str, *, experiment_id: str, run_id: str) -> Links:
    """Links to a study on the server at `base`, such as `http://127.0.0.1:5000`."""
    runs = f"{base.rstrip('/')}/#/experiments/{experiment_id}/runs"
    return Links(
        study=f"{runs}/{run_id}?{_TRAINING}",
        report=f"{runs}/{run_id}/artifacts/report/report.html?{_TRAINING}",
        cells=f"{runs}?{_TRAINING}&viewStateShareKey={cells_key(run_id)}",
        curves=f"{runs}?{_TRAINING}&viewStateShareKey={curves_key(run_id)}&compareRunsMode=CHART",
    )
