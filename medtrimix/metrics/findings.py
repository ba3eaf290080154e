"""Several findings of an image: each is a question of its own, with the answers absent and present.

Predictions are then `probability_NL`, the probability that each finding is present, and targets `target_NL` of 0 and 1.
Ranking is asked finding by finding and averaged (macro); what pools predictions pools the answers to all questions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.definitions import Floats, Ints, Metric


def as_questions(probability_NK: Floats, target_N: Ints) -> tuple[Floats, Ints]:
    """Of several findings the answers to all questions, (N L, 2) and (N L,), those of an image one after the other.

    Predictions of classes, whose targets are (N,), are returned as they are.
    """
    if target_N.ndim == 1:
        return probability_NK, target_N
    return _two_answers(probability_NK.ravel()), target_N.ravel()


def of_findings(metric: Metric) -> Metric:
    """The mean over findings of a metric of two classes, NaN for draws in which one of them lacks an answer."""

    def mean(probability_NL: Floats, target_NL: Ints, weight_RN: Floats) -> Floats:
        findings = range(target_NL.shape[1])
        value_LR = [metric(_two_answers(probability_NL[:, f]), target_NL[:, f], weight_RN) for f in findings]
        return np.asarray(np.mean(value_LR, axis=0), dtype=np.float64)

    return mean


def suited(metric: Metric, target_N: Ints) -> Metric:
    """The metric as it is for classes, or its mean over findings."""
    return metric if target_N.ndim == 1 else of_findings(metric)


def one_finding(probability_NL: Floats, target_NL: Ints, *, number: int) -> tuple[Floats, Ints]:
    """The question of one finding, as two classes: (N, 2) and (N,)."""
    return _two_answers(probability_NL[:, number]), target_NL[:, number]


def _two_answers(present_N: npt.NDArray[np.float64]) -> Floats:
    return np.stack([1 - present_N, present_N], axis=1)
