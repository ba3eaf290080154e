"""The 95% interval of a metric: from its bootstrap draws, in the form that holds for its kind.

**Shares** (accuracy, sensitivity, AUC, ...) end at 0 and 1, and near an end the percentiles of the draws promise too
much: with 20 positive patients and an AUC of .98 they cover in 83% of studies instead of 95%
(benchmarks/results/coverage.md), and draws of a perfect test set do not scatter at all. A score interval (Wilson,
JASA 1927) has all values whose own standard error could have given the point: |point - value| <= 1.96 error(value).
The draws say how large the error is at the point, and a model how it changes with the value:

- value (1 - value) / n, as for a proportion, n such that the error at the point is that of the draws (the effective
  sample size of Korn and Graubard, Surv. Methodol. 1998). For the accuracy of single images this is Wilson's interval.
- for the AUC of two classes the variance under two normal distributions of equal width. A few patients of the rarer
  class say little about its spread, and understate it where the AUC is high by luck. So the draws' variance over the
  model's is drawn towards one as if ten more patients had been seen: of no matter for large sets.

**Errors** (Brier score, calibration error) have percentiles of the draws, moved so that the draws' mean is the point:
drawing patients twice makes a set look worse calibrated than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.bootstrap import Draws, Estimate, estimate
from medtrimix.metrics.definitions import Floats, Ints
from medtrimix.metrics.spread import half_range, widened

ERRORS = ("brier", "ece")
"""Metrics that are no shares; those of calibrated probabilities begin with the same words."""

Z = 1.959963984540054
SAME = 1e-12
"""Rounding of equal metrics."""

_PRIOR_PATIENTS = 10


def metric_estimate(
    name: str,
    value_R: Floats,
    point: float,
    *,
    n: int,
    patients_K: Sequence[int],
    n_patients: int,
    repetition_P: Sequence[float] = (),
) -> Estimate:
    """The point with its 95% interval.

    Args:
        name: of the metric; decides the form of the interval.
        value_R: draws over patients, NaN where undefined.
        point: on the test set as it is.
        n: samples.
        patients_K: patients with a sample of each class, as `patients_of_classes` counts them.
        n_patients: patients.
        repetition_P: the point of each pretraining, whose spread is added (`metrics.spread`).
    """
    found = estimate(widened(value_R, repetition_P), point, n=n, n_patients=n_patients)
    if name.startswith(ERRORS):
        return Estimate(point, max(found.low, 0.0), found.high, n, n_patients, found.undefined_draws)
    variance = _variance(value_R)
    if not np.isfinite(variance):
        return found
    added = (half_range(repetition_P) / Z) ** 2
    if _has_model(name, patients_K):
        ratio = _ratio(point, variance, patients_K)
        low, high = _score(point, lambda value: ratio * auc_variance(value, patients_K) + added)
    else:
        fewest = n_patients if name.startswith("accuracy") else min(patients_K, default=n_patients)
        low, high = share_interval(point, variance + added, fewest=fewest)
    return Estimate(point, low, high, n, n_patients, found.undefined_draws)


def estimates_of(found: Mapping[str, Draws], *, patients_K: Sequence[int]) -> dict[str, Estimate]:
    """Every metric of a set of predictions with its interval, from the draws of `bootstrap_metrics`."""
    return {
        name: metric_estimate(name, one.value_R, one.point, n=one.n, patients_K=patients_K, n_patients=one.n_patients)
        for name, one in found.items()
    }


def share_interval(point: float, variance: float, *, fewest: int) -> tuple[float, float]:
    """Score interval of a share with this variance; where there is none, as of so many patients."""
    at_point = point * (1 - point)
    n = at_point / variance if variance > 0 and at_point > 0 else fewest
    return _score(point, lambda value: value * (1 - value) / n)


def auc_variance(value: float, patients_K: Sequence[int]) -> float:
    """Variance of an AUC under two normal distributions of equal width, one image a patient.

    Two positives are both above a negative, or one above two, with the same probability Phi2(h, h; 1/2), where h is
    the normal quantile of the AUC (Hanley and McNeil, Radiology 1982, equation 1, who took exponentials).
    """
    from scipy.special import ndtr, ndtri, owens_t

    quantile = ndtri(value)
    both = ndtr(quantile) - 2 * owens_t(quantile, 3**-0.5)
    m, n = patients_K
    return float((value * (1 - value) + (m + n - 2) * (both - value**2)) / (m * n))


def patients_of_classes(target_N: Ints, patient_N: npt.ArrayLike, *, classes: int) -> tuple[int, ...]:
    """How many patients have a sample of each class; one with samples of several counts in each.

    Of several findings: how many have a sample without and with each, 2 L numbers.
    """
    patients_N = np.asarray(patient_N)
    if target_N.ndim == 2:
        answers = [present_N == answer for present_N in target_N.T for answer in (0, 1)]
        return tuple(len(np.unique(patients_N[here_N])) for here_N in answers)
    return tuple(len(np.unique(patients_N[target_N == number])) for number in range(classes))


def standard_error(name: str, value_R: Floats, point: float, *, patients_K: Sequence[int]) -> float:
    """At the point: that of the draws, for the AUC of two classes drawn to the model's; NaN without draws."""
    variance = _variance(value_R)
    if _has_model(name, patients_K) and 0 < point < 1:
        variance = _ratio(point, variance, patients_K) * auc_variance(point, patients_K)
    return float(np.sqrt(variance))


def degrees_of_freedom(name: str, *, patients_K: Sequence[int], n_patients: int) -> int:
    """Of `standard_error`: patients of the rarer class and those that the model stands for, less one."""
    if _has_model(name, patients_K):
        return min(patients_K) - 1 + _PRIOR_PATIENTS
    return max(n_patients - 1, 1)


def _has_model(name: str, patients_K: Sequence[int]) -> bool:
    return name == "auc" and len(patients_K) == 2


def _variance(value_R: Floats) -> float:
    """Of the defined draws, NaN for fewer than two; zero where they differ by rounding."""
    defined_R = value_R[np.isfinite(value_R)]
    if len(defined_R) < 2:
        return float("nan")
    variance = float(defined_R.var(ddof=1))
    return variance if variance > SAME**2 else 0.0


def _ratio(point: float, variance: float, patients_K: Sequence[int]) -> float:
    """Of the draws' variance to the model's, drawn towards one; one where all or none of the pairs are right."""
    at_point = auc_variance(point, patients_K) if 0 < point < 1 else 0.0
    if not (variance > 0 and at_point > 0):
        return 1.0
    seen = min(patients_K) - 1
    return (seen * variance / at_point + _PRIOR_PATIENTS) / (seen + _PRIOR_PATIENTS)


def _score(point: float, variance: Callable[[float], float]) -> tuple[float, float]:
    """Ends of the values whose own error could have given the point."""
    return _end(point, 0.0, variance), _end(point, 1.0, variance)


def _end(point: float, limit: float, variance: Callable[[float], float]) -> float:
    """Between the point and its limit, by halving 50 times: the nearest value that is too far from the point."""
    inside, outside = point, limit
    if (point - limit) ** 2 <= Z**2 * variance(limit):
        return limit
    for _ in range(50):
        middle = (inside + outside) / 2
        if (point - middle) ** 2 <= Z**2 * variance(middle):
            inside = middle
        else:
            outside = middle
    return inside
