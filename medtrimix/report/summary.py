"""Cells averaged over seeds, and the paired differences between arms.

The draws of all cells come from the same patients in the same order, so they may be averaged over seeds and subtracted
between arms draw by draw. With several pretrainings the spread of their means is added (`metrics.spread`): the
intervals cover the sampling of test patients and of pretrainings. `sd` is the spread between cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from medtrimix.metrics.bootstrap import Estimate, patient_weights
from medtrimix.metrics.interval import metric_estimate
from medtrimix.metrics.multiplicity import holm
from medtrimix.metrics.paired import Paired, Side
from medtrimix.metrics.paired import paired as compared
from medtrimix.report.study import CHECKPOINT, UNTRAINED, CellRow, Study
from medtrimix.report.wording import arm_title, interval, signed_interval, strategy_title


@dataclass(frozen=True)
class SummaryRow:
    """One arm x strategy x budget, averaged over pretrainings and label seeds.

    Attributes:
        metrics: name -> mean with its interval over test patients and, with several, pretrainings.
        sd: name -> standard deviation over the cells, NaN for a single one.
        n_labels: smallest number of labelled images among the seeds (rounding may differ by one).
        n_labelled_patients: smallest number of patients that they are of.
        pretrain_seeds, label_seeds: numbers of them averaged over; a checkpoint is one pretraining, however often used.
    """

    arm: str
    method: str
    strategy: str
    budget: str
    fraction: float
    n_labels: int
    n_labelled_patients: int
    n_test: int
    n_patients: int
    pretrain_seeds: int
    label_seeds: int
    metrics: dict[str, Estimate]
    sd: dict[str, float]


@dataclass(frozen=True)
class Difference:
    """A metric of the reference arm minus that of another, on the same strategy, budget and seeds.

    Attributes:
        p_value: two-sided, of the same draws as the interval.
        p_holm: adjusted for all differences of this metric in the study (Holm 1979).
    """

    reference: str
    other: str
    strategy: str
    budget: str
    n_labels: int
    pretrain_seeds: int
    label_seeds: int
    metric: str
    estimate: Estimate
    p_value: float = float("nan")
    p_holm: float = float("nan")


@dataclass(frozen=True)
class TableRow:
    """One line of the table of results as text: the same in the terminal, the page and the note in MLflow.

    Attributes:
        arm, strategy: as figures call them.
        labels: labelled images and, in brackets, the budget.
        auc, accuracy, balanced_accuracy: mean over label seeds with its interval, "" if not measured.
        difference: AUC of the reference arm minus this one, or "reference".
        n: test images and, in brackets, patients.
        seeds: label seeds averaged over, after the pretrainings if there are several, "5 x 20".
    """

    arm: str
    strategy: str
    labels: str
    auc: str
    accuracy: str
    balanced_accuracy: str
    difference: str
    n: str
    seeds: str


def summarise(study: Study) -> tuple[SummaryRow, ...]:
    """One row per strategy, budget (from few to many labels) and arm, in this order."""
    groups = _groups(study)
    return tuple(
        _summary(groups[arm, strategy, budget])
        for strategy in study.strategies
        for budget in study.budgets
        for arm in study.arms
        if (arm, strategy, budget) in groups
    )


def differences(study: Study, *, metric: str = "auc") -> tuple[Difference, ...]:
    """Reference minus every other arm, in the order of `summarise`; only seeds that both have are compared."""
    groups = _groups(study)
    reference = study.arms[0]
    rows = []
    for row in summarise(study):
        ours = groups.get((reference, row.strategy, row.budget), [])
        theirs = groups[row.arm, row.strategy, row.budget]
        pairs = _pairs(ours, theirs)
        if row.arm == reference or not pairs or metric not in row.metrics:
            continue
        numbers = _numbers_of_seeds([one for one, _ in pairs])
        found = _paired(pairs, metric=metric)
        rows.append(
            Difference(
                reference,
                row.arm,
                row.strategy,
                row.budget,
                row.n_labels,
                *numbers,
                metric,
                found.estimate,
                found.p_value,
            )
        )
    adjusted = holm([row.p_value for row in rows])
    return tuple(replace(row, p_holm=float(p)) for row, p in zip(rows, adjusted, strict=True))


def paired(ours: list[CellRow], theirs: list[CellRow], *, metric: str) -> Estimate:
    """Ours minus theirs, over the seeds that both have, with its interval; the cells of one test set."""
    return _paired(_pairs(ours, theirs), metric=metric).estimate


def _paired(pairs: list[tuple[CellRow, CellRow]], *, metric: str) -> Paired:
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    gaps = [one.metrics[metric].value - other.metrics[metric].value for one, other in pairs]
    first = ours[0]
    return compared(
        metric,
        _side(ours, metric),
        _side(theirs, metric),
        n=first.n_test,
        patients_K=first.patients_by_class,
        n_patients=first.n_patients,
        repetition_P=_of_pretrainings(gaps, ours),
    )


def _side(cells: list[CellRow], metric: str) -> Side:
    values = [cell.metrics[metric].value for cell in cells]
    return Side(float(np.mean(values)), np.mean([cell.draws[metric] for cell in cells], axis=0))


def summary_table(study: Study) -> tuple[TableRow, ...]:
    """The table of results, by strategy, then budget, then arm."""
    gaps = {(gap.other, gap.strategy, gap.budget): gap.estimate for gap in differences(study)}
    return tuple(
        TableRow(
            arm=arm_title(row.arm, method=row.method),
            strategy=strategy_title(row.strategy),
            labels=f"{row.n_labels:,} ({row.budget})",
            auc=_shown(row, "auc"),
            accuracy=_shown(row, "accuracy"),
            balanced_accuracy=_shown(row, "balanced_accuracy"),
            difference=_gap(gaps.get((row.arm, row.strategy, row.budget)), is_reference=row.arm == study.arms[0]),
            n=f"{row.n_test:,} ({row.n_patients:,})",
            seeds=f"{row.pretrain_seeds} x {row.label_seeds}" if row.pretrain_seeds > 1 else str(row.label_seeds),
        )
        for row in summarise(study)
    )


def control(study: Study) -> tuple[str, str] | None:
    """Arm and strategy to beat: the untrained arm, by the first strategy that finetunes; without one the second arm.

    None if there is a single arm.
    """
    strategies = sorted(study.strategies, key=lambda strategy: study.learners[strategy] != "finetune")
    for arm in sorted(study.arms[1:], key=lambda arm: study.methods[arm] != UNTRAINED):
        for strategy in strategies if study.methods[arm] == UNTRAINED else study.strategies:
            if any((cell.arm, cell.strategy) == (arm, strategy) for cell in study.cells):
                return arm, strategy
    return None


def cells_of(study: Study, *, arm: str, strategy: str, budget: str) -> list[CellRow]:
    """The cells of one combination, one per seed."""
    return [cell for cell in study.cells if (cell.arm, cell.strategy, cell.budget) == (arm, strategy, budget)]


def majority_accuracy(study: Study) -> Estimate | None:
    """Accuracy on test of always naming the commonest class of the training set; None without predictions.

    Of several findings there is no commonest class: None.
    """
    if not study.predictions or study.several:
        return None
    train = next(split for split in study.cohort.splits if split.split == "train")
    commonest = max(range(len(study.classes)), key=lambda place: train.by_class.get(study.classes[place], 0))
    prediction = study.predictions[0]
    correct_N = (prediction.target_N == commonest).astype(np.float64)
    chunks = patient_weights(prediction.patient_N, draws=1000, seed=0)
    accuracy_R = np.concatenate([weight_RN @ correct_N / weight_RN.sum(axis=1) for weight_RN in chunks])
    patients = len(np.unique(prediction.patient_N))
    return metric_estimate(
        "accuracy", accuracy_R, float(correct_N.mean()), n=len(correct_N), patients_K=(), n_patients=patients
    )


def _groups(study: Study) -> dict[tuple[str, str, str], list[CellRow]]:
    groups: dict[tuple[str, str, str], list[CellRow]] = {}
    for cell in study.cells:
        groups.setdefault((cell.arm, cell.strategy, cell.budget), []).append(cell)
    return groups


def _pairs(ours: list[CellRow], theirs: list[CellRow]) -> list[tuple[CellRow, CellRow]]:
    """Cells of the same seeds."""
    other = {cell.seeds: cell for cell in theirs}
    return [(cell, other[cell.seeds]) for cell in ours if cell.seeds in other]


def _of_pretrainings(values: list[float], cells: list[CellRow]) -> list[float]:
    """Mean of each pretraining, from one value a cell."""
    numbers = np.array([cell.pretrain_seed for cell in cells])
    return [float(np.array(values)[numbers == number].mean()) for number in np.unique(numbers)]


def _numbers_of_seeds(cells: list[CellRow]) -> tuple[int, int]:
    """Pretrainings, and label seeds of each; a checkpoint is one."""
    pretrainings = {0 if cell.method == CHECKPOINT else cell.pretrain_seed for cell in cells}
    return len(pretrainings), len({cell.label_seed for cell in cells})


def _summary(cells: list[CellRow]) -> SummaryRow:
    first = cells[0]
    pretrain_seeds, label_seeds = _numbers_of_seeds(cells)
    metrics, spread = {}, {}
    for name in [name for name in first.metrics if all(name in cell.metrics for cell in cells)]:
        values = [cell.metrics[name].value for cell in cells]
        mean_R = np.mean([cell.draws[name] for cell in cells], axis=0)
        metrics[name] = metric_estimate(
            name,
            mean_R,
            float(np.mean(values)),
            n=first.n_test,
            patients_K=first.patients_by_class,
            n_patients=first.n_patients,
            repetition_P=_of_pretrainings(values, cells),
        )
        spread[name] = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return SummaryRow(
        arm=first.arm,
        method=first.method,
        strategy=first.strategy,
        budget=first.budget,
        fraction=first.fraction,
        n_labels=min(cell.n_labels for cell in cells),
        n_labelled_patients=min(cell.n_labelled_patients for cell in cells),
        n_test=first.n_test,
        n_patients=first.n_patients,
        pretrain_seeds=pretrain_seeds,
        label_seeds=label_seeds,
        metrics=metrics,
        sd=spread,
    )


def _shown(row: SummaryRow, metric: str) -> str:
    return interval(row.metrics[metric]) if metric in row.metrics else ""


def _gap(gap: Estimate | None, *, is_reference: bool) -> str:
    if is_reference:
        return "reference"
    return "" if gap is None else signed_interval(gap)
