"""Table layouts saved with the experiment, two for every study.

MLflow's table shows neither metrics nor parameters at first. A layout is an experiment tag
`mlflow.sharedViewState.<key>` that holds what the page's "share" button would have written, and opens with
`?viewStateShareKey=<key>`.
"""

from __future__ import annotations

import json

_TAG = "mlflow.sharedViewState."
_CELL_COLUMNS = (
    *(f"params.`{name}`" for name in ("arm", "strategy", "budget", "label_seed", "n_labels")),
    *(f"metrics.`{name}`" for name in ("auc", "auc_low", "auc_high", "accuracy", "balanced_accuracy")),
)


def cells_key(run_id: str) -> str:
    """Key of the layout that lists a study's cells with their metrics."""
    return f"cells-{run_id[:12]}"


def curves_key(run_id: str) -> str:
    """Key of the layout that overlays the arms' AUC over the number of labels."""
    return f"curves-{run_id[:12]}"


def saved_views(run_id: str) -> dict[str, str]:
    """Experiment tags that hold the layouts of one study."""
    return {
        _TAG + cells_key(run_id): _view(
            run_id, kind="cell", order_by="metrics.`auc`", ascending=False, columns=_CELL_COLUMNS
        ),
        # Sorted by time, MLflow would hide the runs in a closed group under their study.
        _TAG + curves_key(run_id): _view(
            run_id, kind="summary", order_by="params.`arm`", ascending=True, columns=("params.`arm`",)
        ),
    }


def _view(run_id: str, *, kind: str, order_by: str, ascending: bool, columns: tuple[str, ...]) -> str:
    return json.dumps(
        {
            "searchFilter": f"tags.`mlflow.parentRunId` = '{run_id}' and tags.`medtrimix.kind` = '{kind}'",
            "orderByKey": order_by,
            "orderByAsc": ascending,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "modelVersionFilter": "All Runs",
            "datasetsFilter": [],
            "selectedColumns": list(columns),
            "columnOrder": [],
        }
    )
