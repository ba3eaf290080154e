"""Operating points: a threshold chosen on val for its specificity, then applied to test as it is.

`sensitivity_at_90_specificity` reads its threshold off the test set and so describes a curve. A threshold that is fixed
beforehand is what a reader would work with, and its specificity on test is a finding too: it need not be the one that
was aimed at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.metrics.definitions import Floats, Ints, Metric

_ROUNDING = 1e-9  # 0.9 * 10 of 10 negatives is 9


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold on the positive class's probability, "positive at or above it".

    Attributes:
        specificity_aimed: what it had to reach on val.
        threshold: the lowest one that does.
        n_val_negatives: negatives of val that say so; 1 / n is the finest step.
        sensitivity, specificity: on test; the interval takes the threshold for granted.
    """

    specificity_aimed: float
    threshold: float
    n_val_negatives: int
    sensitivity: Estimate
    specificity: Estimate


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
    return float((barred + above_N.min()) / 2) if len(above_N) else float(np.nextafter(barred, np.inf))


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
