"""Operating points: a threshold chosen on val for its specificity, then applied to test as it is.

`sensitivity_at_90_specificity` reads its threshold off the test set and so describes a curve. A threshold that is fixed
beforehand is what a reader would work with, and its specificity on test is a finding too: it need not be the one that
was aimed at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.bootstrap import Estimate, bootstrap_metrics
from medtrimix.metrics.definitions import Floats, Ints, Metric
from medtrimix.metrics.findings import one_finding
from medtrimix.metrics.interval import estimates_of, patients_of_classes

_ROUNDING = 1e-9  # 0.9 * 10 of 10 negatives is 9


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold on the positive class's probability, "positive at or above it".

    Attributes:
        specificity_aimed: what it had to reach on val.
        threshold: the lowest one that does.
        n_val_negatives: negatives of val that say so; 1 / n is the finest step.
        sensitivity, specificity: on test; the interval takes the threshold for granted.
        finding: of several findings the one that it is of, else "".
    """

    specificity_aimed: float
    threshold: float
    n_val_negatives: int
    sensitivity: Estimate
    specificity: Estimate
    finding: str = ""


def point_name(side: str, aim: float) -> str:
    """The metric's name, `sensitivity_at_val_90_specificity`: the threshold is that of val."""
    return f"{side}_at_val_{100 * aim:g}_specificity"


def thresholds_of(probability_NK: Floats, target_N: Ints, *, aims: Sequence[float]) -> dict[float, float]:
    """Aim -> threshold, by what was said about val; nothing where there are not two classes."""
    if probability_NK.shape[1] != 2 or target_N.ndim == 2:
        return {}
    return {aim: threshold_at(probability_NK[:, 1], target_N, specificity=aim) for aim in aims}


def at_thresholds(thresholds: Mapping[float, float]) -> dict[str, Metric]:
    """Sensitivity and specificity at each threshold, by `point_name`."""
    return {
        point_name(side, aim): above(threshold)
        for aim, threshold in thresholds.items()
        for side, above in (("sensitivity", sensitivity_above), ("specificity", specificity_above))
    }


def operating_points(
    thresholds: Mapping[float, float], estimates: Mapping[str, Estimate], *, n_val_negatives: int, finding: str = ""
) -> tuple[OperatingPoint, ...]:
    """One per threshold, from the estimates of `at_thresholds`."""
    return tuple(
        OperatingPoint(
            aim,
            threshold,
            n_val_negatives,
            sensitivity=estimates[point_name("sensitivity", aim)],
            specificity=estimates[point_name("specificity", aim)],
            finding=finding,
        )
        for aim, threshold in thresholds.items()
    )


def points_of_findings(
    val: tuple[Floats, Ints],
    test: tuple[Floats, Ints],
    patient_N: npt.NDArray[np.str_],
    *,
    names: Sequence[str],
    aims: Sequence[float],
    draws: int,
    seed: int,
) -> tuple[OperatingPoint, ...]:
    """Those of several findings, each a question of its own: probabilities (N, L) and targets (N, L) of both sides."""
    points: list[OperatingPoint] = []
    for number, finding in enumerate(names):
        (val_N2, is_val_N), (test_N2, is_test_N) = (one_finding(*side, number=number) for side in (val, test))
        thresholds = thresholds_of(val_N2, is_val_N, aims=aims)
        patients_K = patients_of_classes(is_test_N, patient_N, classes=2)
        found = bootstrap_metrics(
            test_N2, is_test_N, patient_N, draws=draws, seed=seed, metrics=at_thresholds(thresholds)
        )
        estimates = estimates_of(found, patients_K=patients_K)
        points += operating_points(thresholds, estimates, n_val_negatives=int((is_val_N == 0).sum()), finding=finding)
    return tuple(points)


def threshold_at(score_N: Floats, positive_N: Ints, *, specificity: float) -> float:
    """The lowest threshold that calls at most 1 - `specificity` of the negatives positive.

    It lies halfway between the highest negative that is called and the next value below it, or above all values.
    """
    negative_N = np.sort(score_N[positive_N != 1])[::-1]
    allowed = int(np.floor((1 - specificity) * len(negative_N) + _ROUNDING))
    if allowed >= len(negative_N):
        return 0.0
    barred = float(negative_N[allowed])  # the highest one that must not be called
    above_N = score_N[score_N > barred]
    if not len(above_N):
        return float(np.nextafter(barred, np.inf))
    middle = float((barred + above_N.min()) / 2)
    return middle if middle > barred else float(above_N.min())  # of neighbouring numbers the middle is one of the two


def sensitivity_above(threshold: float) -> Metric:
    """Share of class 1 that is called at this threshold; NaN for draws without it."""

    def metric(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
        return _share(probability_NK[:, 1] >= threshold, target_N == 1, weight_RN)

    return metric


def specificity_above(threshold: float) -> Metric:
    """Share of class 0 that is not called at this threshold; NaN for draws without it."""

    def metric(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
        return _share(probability_NK[:, 1] < threshold, target_N == 0, weight_RN)

    return metric


def _share(called_N: npt.NDArray[np.bool_], among_N: npt.NDArray[np.bool_], weight_RN: Floats) -> Floats:
    found_R, all_R = (weight_RN @ side_N.astype(np.float64) for side_N in (called_N & among_N, among_N))
    return np.divide(found_R, all_R, out=np.full_like(all_R, np.nan), where=all_R > 0)
