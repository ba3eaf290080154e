"""Two runs on one test set, image by image: differences, intervals, tests.

What a cell said about test lies in the workspace, under pseudonyms, and stays there: MLflow says which cell a run was,
the workspace what it predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medtrimix.errors import InputError
from medtrimix.metrics.bootstrap import Draws, Estimate, bootstrap_metrics
from medtrimix.metrics.delong import PairedTest, auc_influence, delong_variance, paired_test
from medtrimix.metrics.interval import metric_estimate, patients_of_classes
from medtrimix.metrics.multiplicity import holm
from medtrimix.metrics.paired import Paired, Side, paired
from medtrimix.pipeline.cache import StepCache
from medtrimix.steps import learn
from medtrimix.tracking.find import FoundRun, Runs

DRAWS, _SEED = 2000, 0
Seeds = tuple[int, int]
Group = tuple[str, str, str]
"""Arm, strategy, label budget; "" where the two sides may differ in it."""


@dataclass(frozen=True)
class MetricRow:
    """One metric of both sides, means over seeds, and the difference A - B; `p_holm` is for all comparisons."""

    a: Estimate
    b: Estimate
    difference: Estimate
    p_value: float
    p_holm: float


@dataclass(frozen=True)
class Comparison:
    """Two sides of one kind.

    Attributes:
        group: what both are.
        seeds: pairs of cells that are averaged over.
        metrics: by name.
        delong: test of the AUCs; None for more than two classes.
        delong_holm: its p-value, adjusted for all comparisons.
    """

    group: Group
    seeds: int
    metrics: Mapping[str, MetricRow]
    delong: PairedTest | None
    delong_holm: float


@dataclass(frozen=True)
class ComparedRuns:
    """What `compare` found: both runs, the test set that they share, one or many comparisons."""

    a: FoundRun
    b: FoundRun
    n: int
    n_patients: int
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class _Cell:
    group: Group
    seeds: Seeds
    predictions: learn.Predictions


def compare(text_a: str, text_b: str, *, uri: str, workspace: Path) -> ComparedRuns:
    """Compares two cells, two arms (by strategy and budget) or two studies (by arm, strategy and budget).

    Args:
        text_a: id or name of a run, as `Runs.find` takes it.
        text_b: the other.
        uri: where MLflow has them.
        workspace: where they were computed.

    Raises:
        InputError: no such run, runs of different kinds or test sets, or predictions that are no longer there.
    """
    runs = Runs.open(uri)
    a, b = runs.find(text_a), runs.find(text_b)
    _require_comparable(a, b)
    cells_a, cells_b = (_cells(run, runs=runs, workspace=workspace) for run in (a, b))
    if a.kind == "cell":  # two cells need not have anything in common but the test set
        cells_a, cells_b = (
            [replace(cell, group=("", "", ""), seeds=(0, 0)) for cell in side] for side in (cells_a, cells_b)
        )
    pairs = _pairs(cells_a, cells_b)
    if not pairs:
        raise InputError("The two runs have no strategy, label budget and seed in common.")
    test = pairs[next(iter(pairs))][0][0].predictions
    _require_one_test_set(test, [cell.predictions for pair in pairs.values() for both in pair for cell in both])
    measured = _Measured()
    found = [_comparison(group, each, drawn=measured) for group, each in pairs.items()]
    return ComparedRuns(a, b, len(test.target_N), len(np.unique(test.patient_N)), _adjusted(found))


def _require_comparable(a: FoundRun, b: FoundRun) -> None:
    for run in (a, b):
        if run.kind not in ("study", "summary", "cell"):
            raise InputError(
                f"'{run.name}' has no predictions on test.",
                fix="Compare studies, arms ('ARM over labels') or cells ('ARM STRATEGY BUDGET seed N').",
            )
    if a.run_id == b.run_id:
        raise InputError(f"Both are the same run, '{a.name}' ({a.run_id}).", fix="Name another, or give ids.")
    if a.kind != b.kind:
        names = {"study": "a study", "summary": "an arm", "cell": "a cell"}
        raise InputError(
            f"'{a.name}' is {names[a.kind]} and '{b.name}' is {names[b.kind]}.", fix="Compare like with like."
        )


def _cells(run: FoundRun, *, runs: Runs, workspace: Path) -> list[_Cell]:
    if run.kind == "cell":
        return [_cell(run, workspace=workspace)]
    cells = runs.cells(run.run_id if run.kind == "study" else run.parent_id)
    if run.kind == "summary":
        of_arm = [cell for cell in cells if cell.params["arm"] == run.params["arm"]]
        return [
            replace(cell, group=("", *cell.group[1:])) for cell in (_cell(one, workspace=workspace) for one in of_arm)
        ]
    return [_cell(cell, workspace=workspace) for cell in cells]


def _cell(run: FoundRun, *, workspace: Path) -> _Cell:
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
    return _Cell((params["arm"], params["strategy"], params["budget"]), seeds, in_order)


def _pairs(ours: Sequence[_Cell], theirs: Sequence[_Cell]) -> dict[Group, list[tuple[_Cell, _Cell]]]:
    other = {(cell.group, cell.seeds): cell for cell in theirs}
    pairs: dict[Group, list[tuple[_Cell, _Cell]]] = {}
    for cell in sorted(ours, key=lambda cell: cell.seeds):
        if (cell.group, cell.seeds) in other:
            pairs.setdefault(cell.group, []).append((cell, other[cell.group, cell.seeds]))
    return pairs


def _require_one_test_set(test: learn.Predictions, others: Sequence[learn.Predictions]) -> None:
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


class _Measured:
    """Every metric of a cell with its draws; the same patients in every draw."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, Draws]] = {}

    def __call__(self, cell: _Cell) -> dict[str, Draws]:
        test = cell.predictions
        if id(cell) not in self._known:
            self._known[id(cell)] = bootstrap_metrics(
                test.probability_NK, test.target_N, test.patient_N, draws=DRAWS, seed=_SEED
            )
        return self._known[id(cell)]


def _comparison(
    group: Group, pairs: list[tuple[_Cell, _Cell]], *, drawn: Callable[[_Cell], dict[str, Draws]]
) -> Comparison:
    rows = {name: _row(name, pairs, drawn=drawn) for name in drawn(pairs[0][0])}
    return Comparison(group, len(pairs), rows, _delong(pairs), float("nan"))


def _row(name: str, pairs: list[tuple[_Cell, _Cell]], *, drawn: Callable[[_Cell], dict[str, Draws]]) -> MetricRow:
    test = pairs[0][0].predictions
    patients_K = patients_of_classes(test.target_N, test.patient_N, classes=test.probability_NK.shape[1])
    n, n_patients = len(test.target_N), len(np.unique(test.patient_N))
    point_SP = np.array([[drawn(cell)[name].point for cell in side] for side in zip(*pairs, strict=True)])
    value_SR = [np.mean([drawn(cell)[name].value_R for cell in side], axis=0) for side in zip(*pairs, strict=True)]
    number_P = np.array([cell.seeds[0] for cell, _ in pairs])

    def by_pretraining(value_P: npt.NDArray[np.float64]) -> list[float]:
        return [float(value_P[number_P == number].mean()) for number in np.unique(number_P)]

    a, b = (
        metric_estimate(
            name,
            value_R,
            float(point_P.mean()),
            n=n,
            patients_K=patients_K,
            n_patients=n_patients,
            repetition_P=by_pretraining(point_P),
        )
        for value_R, point_P in zip(value_SR, point_SP, strict=True)
    )
    found: Paired = paired(
        name,
        *(Side(each.value, value_R) for each, value_R in zip((a, b), value_SR, strict=True)),
        n=n,
        patients_K=patients_K,
        n_patients=n_patients,
        repetition_P=by_pretraining(point_SP[0] - point_SP[1]),
    )
    return MetricRow(a, b, found.estimate, found.p_value, float("nan"))


def _delong(pairs: list[tuple[_Cell, _Cell]]) -> PairedTest | None:
    """Of the mean AUCs: influences of a mean are means of influences."""
    test = pairs[0][0].predictions
    if test.probability_NK.shape[1] != 2 or test.target_N.ndim == 2:
        return None
    positive_N = test.target_N == 1
    found = [
        [auc_influence(cell.predictions.probability_NK[:, 1], positive_N) for cell in side]
        for side in zip(*pairs, strict=True)
    ]
    auc_a, auc_b = (float(np.mean([each.auc for each in side])) for side in found)
    influence_a_N, influence_b_N = (np.mean([each.influence_N for each in side], axis=0) for side in found)
    return paired_test(auc_a - auc_b, delong_variance(influence_a_N - influence_b_N, positive_N, test.patient_N))


def _adjusted(found: Sequence[Comparison]) -> tuple[Comparison, ...]:
    names = found[0].metrics
    holm_M = {name: holm([each.metrics[name].p_value for each in found]) for name in names}
    delong_M = holm([each.delong.p_value if each.delong else float("nan") for each in found])
    return tuple(
        replace(
            each,
            metrics={name: replace(row, p_holm=float(holm_M[name][place])) for name, row in each.metrics.items()},
            delong_holm=float(delong_M[place]),
        )
        for place, each in enumerate(found)
    )
