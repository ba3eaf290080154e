"""DeLong's variance of an AUC and his test of two AUCs, for single images and for images that patients share.

Every sample has a component: the share of the other class that is on the right side of it. The AUC is the mean of the
components of either class, and its variance follows from their spread (DeLong, DeLong and Clarke-Pearson, Biometrics
1988, equations 4 to 6). Midranks give all components in one sort (Sun and Xu, IEEE Signal Process. Lett. 2014).

Patients with several images are Obuchowski's clusters ("Nonparametric analysis of clustered ROC curve data", Biometrics
1997): components are summed by patient, and patients with images of both classes add a covariance. With one image a
patient that is DeLong's variance, to the last digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.errors import InputError
from medtrimix.metrics.definitions import Floats

_SAME = 1e-12  # rounding of two equal AUCs


@dataclass(frozen=True)
class Influence:
    """An AUC, ties one half, and each sample's share in its deviation: (N,), zero in sum over either class."""

    auc: float
    influence_N: Floats


@dataclass(frozen=True)
class PairedTest:
    """Two AUCs on the same samples.

    Attributes:
        difference: the first minus the second.
        standard_error: of the difference.
        z: difference / standard error, 0 for two that rank alike.
        p_value: two-sided, of the normal distribution.
    """

    difference: float
    standard_error: float
    z: float
    p_value: float


def auc_influence(score_N: npt.ArrayLike, positive_N: npt.ArrayLike) -> Influence:
    """The AUC of scores, high for positive samples, with DeLong's components: centred, over the size of their class.

    Raises:
        InputError: a class has no sample.
    """
    scores_N, positives_N = np.asarray(score_N, dtype=np.float64), np.asarray(positive_N, dtype=bool)
    assert scores_N.shape == positives_N.shape, (scores_N.shape, positives_N.shape)
    positives, negatives = int(positives_N.sum()), int((~positives_N).sum())
    if not positives or not negatives:
        raise InputError(
            f"An AUC needs samples of both classes; here are {positives} positive and {negatives} negative ones."
        )
    rank_N = _midrank(scores_N)
    component_N = np.empty(len(scores_N))
    component_N[positives_N] = (rank_N[positives_N] - _midrank(scores_N[positives_N])) / negatives
    component_N[~positives_N] = 1 - (rank_N[~positives_N] - _midrank(scores_N[~positives_N])) / positives
    auc = float(component_N[positives_N].mean())
    return Influence(auc, (component_N - auc) / np.where(positives_N, positives, negatives))


def delong_variance(influence_N: Floats, positive_N: npt.ArrayLike, patient_N: npt.ArrayLike | None = None) -> float:
    """Variance of an AUC, or of a difference of two whose influences were subtracted.

    Args:
        influence_N: what `auc_influence` gives.
        positive_N: whether the sample is of the positive class.
        patient_N: whose image it is; every sample is a patient of its own without it.

    Returns:
        The variance; NaN where a class has a single patient, whose spread nobody knows.
    """
    positives_N = np.asarray(positive_N, dtype=bool)
    patients_N = np.arange(len(positives_N)) if patient_N is None else np.asarray(patient_N)
    _, code_N = np.unique(patients_N, return_inverse=True)
    sum_CG = [np.bincount(code_N, weights=influence_N * side_N) for side_N in (positives_N, ~positives_N)]
    patients_C = [len(np.unique(code_N[side_N])) for side_N in (positives_N, ~positives_N)]
    if min(patients_C) < 2:
        return float("nan")
    own = sum(n / (n - 1) * float(np.square(sum_G).sum()) for n, sum_G in zip(patients_C, sum_CG, strict=True))
    everybody = len(sum_CG[0])
    shared = everybody / (everybody - 1) * 2 * float(sum_CG[0] @ sum_CG[1])
    return max(own + shared, 0.0)


def delong_test(
    score_a_N: npt.ArrayLike,
    score_b_N: npt.ArrayLike,
    positive_N: npt.ArrayLike,
    patient_N: npt.ArrayLike | None = None,
) -> PairedTest:
    """Whether two scores of the same samples have the same AUC; p is NaN where a class has a single patient.

    Raises:
        InputError: a class has no sample.
    """
    a, b = auc_influence(score_a_N, positive_N), auc_influence(score_b_N, positive_N)
    return paired_test(a.auc - b.auc, delong_variance(a.influence_N - b.influence_N, positive_N, patient_N))


def paired_test(difference: float, variance: float) -> PairedTest:
    """The normal test of a difference; two scores that rank everything alike don't differ: z is 0, p is 1."""
    from scipy.stats import norm

    error = math.sqrt(variance)
    if error < _SAME:  # no spread at all: alike everywhere, or so far apart that nothing can be said of chance
        alike = abs(difference) < _SAME
        return PairedTest(
            difference, 0.0, 0.0 if alike else math.copysign(math.inf, difference), 1.0 if alike else math.nan
        )
    z = difference / error
    return PairedTest(difference, error, z, float(2 * norm.sf(abs(z))))


def _midrank(value_N: Floats) -> Floats:
    """Ranks from 1, ties their mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(value_N), dtype=np.float64)
