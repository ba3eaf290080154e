"""Metrics of a classifier, each defined once, for many weightings of the test set at a time.

Every metric takes `(probability_NK, target_N, weight_RN)` and gives `value_R`: one value for each row of weights. A
weight counts how often a sample is in the test set, so one row of ones is the plain metric and rows of bootstrap counts
are its bootstrap draws: the interval can't disagree with the point about the definition.

Two classes: class 1 is the positive one. More classes: the unweighted mean of one-vs-rest (macro), as in MedMNIST v2
(Yang et al., Scientific Data 2023). A metric that needs every class gives NaN for a draw that lacks one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Metric: TypeAlias = Callable[[Floats, Ints, Floats], Floats]

SPECIFICITY = 0.9
"""Where `sensitivity_at_90_specificity` is read off the ROC curve."""

CALIBRATION_BINS = 15
"""Bins of the expected calibration error, the number that Guo et al. (ICML 2017) use."""

_ROUNDING = 1e-9  # (1 - 0.9) * 10 is 0.9999999999999998; weights are counts, so this is far below one sample


@dataclass(frozen=True)
class _Curve:
    """Weight of positives and negatives at or above each distinct score, highest score first, led by zeros."""

    true_positive_RG: Floats
    false_positive_RG: Floats

    @property
    def positive(self) -> Floats:
        return self.true_positive_RG[:, -1]

    @property
    def negative(self) -> Floats:
        return self.false_positive_RG[:, -1]


def _curve(score_N: Floats, positive_N: npt.NDArray[np.bool_], weight_RN: Floats) -> _Curve:
    order_N = np.argsort(-score_N, kind="stable")
    sorted_N = score_N[order_N]
    last_of_tie_N = np.append(sorted_N[1:] != sorted_N[:-1], [True])
    edge_G = np.concatenate([[0], np.flatnonzero(last_of_tie_N) + 1])

    def cumulated(weight_RN: Floats) -> Floats:
        total_RG = np.zeros((len(weight_RN), len(score_N) + 1))
        np.cumsum(weight_RN, axis=1, out=total_RG[:, 1:])
        return total_RG if len(edge_G) == len(score_N) + 1 else total_RG[:, edge_G]

    sorted_RN = weight_RN[:, order_N]
    positive_RN = sorted_RN * positive_N[order_N]
    return _Curve(cumulated(positive_RN), cumulated(sorted_RN - positive_RN))


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient; NaN where the denominator is zero."""
    quotient = np.full_like(numerator, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _one_vs_rest(
    binary: Callable[[_Curve], Floats], probability_NK: Floats, target_N: Ints, weight_RN: Floats
) -> Floats:
    classes = probability_NK.shape[1]
    positives = (1,) if classes == 2 else range(classes)
    value_KR = np.stack([binary(_curve(probability_NK[:, k], target_N == k, weight_RN)) for k in positives])
    return np.asarray(value_KR.mean(axis=0), dtype=np.float64)


def _curve_area(curve: _Curve) -> Floats:
    rise_RG = curve.true_positive_RG[:, 1:] + curve.true_positive_RG[:, :-1]
    area_R = np.einsum("rg,rg->r", rise_RG, np.diff(curve.false_positive_RG, axis=1)) / 2
    return _divide(area_R, curve.positive * curve.negative)


def auc(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
    """Area under the ROC curve in 0..1, ties counted one half; NaN for draws without both sides of a class."""
    return _one_vs_rest(_curve_area, probability_NK, target_N, weight_RN)


def _curve_precision(curve: _Curve) -> Floats:
    found_RG = np.diff(curve.true_positive_RG, axis=1)
    called_RG = curve.true_positive_RG[:, 1:] + curve.false_positive_RG[:, 1:]
    # Called = 0 only before the first sample of a draw, where nothing is found either.
    precision_RG = curve.true_positive_RG[:, 1:] / np.maximum(called_RG, 1)
    value_R = _divide(np.einsum("rg,rg->r", found_RG, precision_RG), curve.positive)
    return np.where(curve.negative > 0, value_R, np.nan)


def average_precision(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
    """Sum over thresholds of precision x gain in recall, in 0..1 (scikit-learn's definition, no interpolation).

    Its value for a coin is the prevalence, so it is not comparable between test sets.
    """
    return _one_vs_rest(_curve_precision, probability_NK, target_N, weight_RN)


def _curve_sensitivity(curve: _Curve) -> Floats:
    allowed_R1 = (1 - SPECIFICITY) * curve.negative[:, None] + _ROUNDING
    found_RG = np.where(curve.false_positive_RG <= allowed_R1, curve.true_positive_RG, 0)
    value_R = _divide(found_RG.max(axis=1), curve.positive)
    return np.where(curve.negative > 0, value_R, np.nan)


def sensitivity_at_90_specificity(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
    """Largest sensitivity of a threshold "call positive at or above it" whose specificity is at least 0.9.

    The threshold is read off the test set itself: it describes the ROC curve, not a threshold fixed beforehand.
    """
    return _one_vs_rest(_curve_sensitivity, probability_NK, target_N, weight_RN)


def _called_class(probability_NK: Floats) -> Ints:
    """The most probable class; the first one of a tie, so that class 1 of two is called above 0.5 only."""
    return np.asarray(probability_NK.argmax(axis=1), dtype=np.int64)


def _mean(value_N: Floats, weight_RN: Floats) -> Floats:
    return _divide(weight_RN @ value_N, weight_RN.sum(axis=1))


def accuracy(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
    """Share of samples whose most probable class is the true one (two classes: at more than 0.5)."""
    return _mean((_called_class(probability_NK) == target_N).astype(np.float64), weight_RN)


def balanced_accuracy(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
    """Unweighted mean over classes of the share of the class that is called right; NaN for draws lacking a class."""
    truth_NK = np.eye(probability_NK.shape[1])[target_N]
    right_NK = truth_NK * (_called_class(probability_NK) == target_N)[:, None]
    return np.asarray(_divide(weight_RN @ right_NK, weight_RN @ truth_NK).mean(axis=1), dtype=np.float64)


def brier(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
    """Mean squared error of the probabilities; 0 is perfect.

    Two classes: of the positive class's probability, in 0..1. More: summed over classes, in 0..2 (Brier 1950). These
    are scikit-learn's conventions too.
    """
    classes = probability_NK.shape[1]
    error_N = np.square(probability_NK - np.eye(classes)[target_N]).sum(axis=1)
    return _mean(error_N / 2 if classes == 2 else error_N, weight_RN)


def ece(probability_NK: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
    """Expected calibration error in 0..1: mean gap of confidence and accuracy over equal-width bins of confidence.

    Confidence is the probability of the called class (so at least 1/K), for two classes as for more: Guo et al., "On
    calibration of modern neural networks", ICML 2017, eq. 3. Bins are open on the left: (0, 1/15], (1/15, 2/15], ...
    """
    confidence_N = probability_NK.max(axis=1)
    right_N = _called_class(probability_NK) == target_N
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bin_N = np.searchsorted(edges[1:-1], confidence_N)
    gap_NB = np.eye(CALIBRATION_BINS)[bin_N] * (confidence_N - right_N)[:, None]
    return _divide(np.abs(weight_RN @ gap_NB).sum(axis=1), weight_RN.sum(axis=1))


METRICS: dict[str, Metric] = {
    "auc": auc,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "sensitivity_at_90_specificity": sensitivity_at_90_specificity,
    "average_precision": average_precision,
    "brier": brier,
    "ece": ece,
}
"""Every metric that a cell reports, by the name it has in tables, in the order of tables."""
