"""What the cells of a run said about test.

It lies in the workspace, under pseudonyms, and stays there: MLflow says which cells a run has, the workspace what they
predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medtrimix.errors import InputError
from medtrimix.pipeline.cache import StepCache
from medtrimix.steps import learn
from medtrimix.tracking.find import FoundRun, Runs

Seeds = tuple[int, int]
Group = tuple[str, str, str]
"""Arm, strategy, label budget; "" where two sides of a comparison may differ in it."""


@dataclass(frozen=True)
class PredictedCell:
    """One cell: what it is, its seeds of pretraining and labels, and its predictions in the order of their names."""

    group: Group
    seeds: Seeds
    predictions: learn.Predictions


def predicted_cells(run: FoundRun, *, runs: Runs, workspace: Path) -> list[PredictedCell]:
    """The cells of a study or an arm, or the one that the run is; the cells of an arm don't say which.

    Raises:
        InputError: the predictions are not in this workspace.
    """
    if run.kind == "cell":
        return [_cell(run, workspace=workspace)]
    cells = runs.cells(run.run_id if run.kind == "study" else run.parent_id)
    if run.kind == "summary":
        of_arm = [cell for cell in cells if cell.params["arm"] == run.params["arm"]]
        return [
            replace(cell, group=("", *cell.group[1:])) for cell in (_cell(one, workspace=workspace) for one in of_arm)
        ]
    return [_cell(cell, workspace=workspace) for cell in cells]


def _cell(run: FoundRun, *, workspace: Path) -> PredictedCell:
    key = run.task.partition(" ")[0]
    folder = StepCache(workspace / "steps").folder("evaluate", key=key)
    try:
        predictions = learn.load_predictions(folder, side="test")
    except OSError:
        raise InputError(
            f"What '{run.name}' predicted is not in this workspace.",
            fix="Give --workspace of the one where it ran, or run its pipeline again.",
        ) from None
    params = run.params
    seeds = int(params.get("pretrain_seed", 0)), int(params["label_seed"])
    order_N = np.argsort(predictions.sample_N)
    in_order = learn.Predictions(
        probability_NK=predictions.probability_NK[order_N],
        target_N=predictions.target_N[order_N],
        patient_N=predictions.patient_N[order_N],
        sample_N=predictions.sample_N[order_N],
    )
    return PredictedCell((params["arm"], params["strategy"], params["budget"]), seeds, in_order)


def require_one_test_set(test: learn.Predictions, others: Sequence[learn.Predictions]) -> None:
    """Checks that all are of the same images with the same labels, classes and patients.

    Raises:
        InputError: they are not.
    """
    for other in others:
        shared = len(np.intersect1d(test.sample_N, other.sample_N))
        if not shared == len(test.sample_N) == len(other.sample_N):
            raise InputError(
                f"The runs have different test sets: {len(test.sample_N):,} and {len(other.sample_N):,} images, "
                f"{shared:,} of them in both.",
                fix="Give both studies one split: `split.file` takes the split.csv of the other's results.",
            )
        if (
            other.probability_NK.shape != test.probability_NK.shape
            or (other.target_N != test.target_N).any()
            or (other.patient_N != test.patient_N).any()
        ):
            raise InputError("The runs have the same test images with other labels, classes or patients.")
