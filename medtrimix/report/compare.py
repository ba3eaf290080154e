"""Two runs on one test set, image by image: differences, intervals, tests."""

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
from medtrimix.report.predicted import Group, PredictedCell, predicted_cells, require_one_test_set
from medtrimix.tracking.find import FoundRun, Runs

DRAWS, _SEED = 2000, 0
Pairs = list[tuple[PredictedCell, PredictedCell]]
Drawn = Callable[[PredictedCell], dict[str, Draws]]


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
        pretrainings: that these pairs are of.
        metrics: by name.
        delong: test of the AUCs; None for more than two classes.
        delong_holm: its p-value, adjusted for all comparisons.
    """

    group: Group
    seeds: int
    pretrainings: int
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
    cells_a, cells_b = (predicted_cells(run, runs=runs, workspace=workspace) for run in (a, b))
    if a.kind == "cell":  # two cells need not have anything in common but the test set
        cells_a, cells_b = (
            [replace(cell, group=("", "", ""), seeds=(0, 0)) for cell in side] for side in (cells_a, cells_b)
        )
    pairs = _pairs(cells_a, cells_b)
    if not pairs:
        raise InputError("The two runs have no strategy, label budget and seed in common.")
    test = pairs[next(iter(pairs))][0][0].predictions
    require_one_test_set(test, [cell.predictions for pair in pairs.values() for both in pair for cell in both])
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


def _pairs(ours: Sequence[PredictedCell], theirs: Sequence[PredictedCell]) -> dict[Group, Pairs]:
    other = {(cell.group, cell.seeds): cell for cell in theirs}
    pairs: dict[Group, Pairs] = {}
    for cell in sorted(ours, key=lambda cell: cell.seeds):
        if (cell.group, cell.seeds) in other:
            pairs.setdefault(cell.group, []).append((cell, other[cell.group, cell.seeds]))
    return pairs


class _Measured:
    """Every metric of a cell with its draws; the same patients in every draw."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, Draws]] = {}

    def __call__(self, cell: PredictedCell) -> dict[str, Draws]:
        test = cell.predictions
        if id(cell) not in self._known:
            self._known[id(cell)] = bootstrap_metrics(
                test.probability_NK, test.target_N, test.patient_N, draws=DRAWS, seed=_SEED
            )
        return self._known[id(cell)]


def _comparison(
    group: Group,
    pairs: Pairs,
    *,
    drawn: Drawn,
) -> Comparison:
    rows = {name: _row(name, pairs, drawn=drawn) for name in drawn(pairs[0][0])}
    pretrainings = len({cell.seeds[0] for cell, _ in pairs})
    return Comparison(group, len(pairs), pretrainings, rows, _delong(pairs), float("nan"))


def _row(name: str, pairs: Pairs, *, drawn: Drawn) -> MetricRow:
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


def _delong(pairs: Pairs) -> PairedTest | None:
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
