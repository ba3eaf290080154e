"""The difference of two cells on the same test set: its interval, and the p-value that agrees with it.

Differences of draws know what the two have in common; their deviation is the standard error of the difference. Draws of
a few patients of a class scatter too little where AUCs are high, and to the wrong side: so the deviation is stretched
by as much as the two AUCs' own standard errors grow when they are drawn to the model's (`metrics.interval`), and the
interval is Student's, with the patients of the rarer class, and the ten that the model stands for, for its degrees of
freedom. In a large set that is the deviation of the draws times 1.96. The p-value is that of the same distribution.

Where neither side scatters in the draws, be it that all predictions are right or that a class has a single patient,
they don't say what the two have in common. Then the difference has the range of both sides' own intervals, as of
independent ones (Zou and Donner, "Construction of confidence limits about effect measures", Stat. Med. 2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medtrimix.metrics.bootstrap import LEVEL, Estimate
from medtrimix.metrics.definitions import Floats
from medtrimix.metrics.interval import SAME, degrees_of_freedom, metric_estimate, standard_error
from medtrimix.metrics.spread import half_range


@dataclass(frozen=True)
class Paired:
    """A minus B.

    Attributes:
        estimate: with its 95% interval.
        p_value: two-sided, of no difference; below .05 exactly where the interval leaves zero out. NaN for a difference
            without any spread.
    """

    estimate: Estimate
    p_value: float


@dataclass(frozen=True)
class Side:
    """One of the two: its value, and its draws over patients (R,), both means over seeds if there are several."""

    value: float
    value_R: Floats


def paired(
    name: str,
    ours: Side,
    theirs: Side,
    *,
    n: int,
    patients_K: Sequence[int],
    n_patients: int,
    repetition_P: Sequence[float] = (),
) -> Paired:
    """Ours minus theirs; both sides must come from the same test set, draws and seed.

    Args:
        name: of the metric.
        ours: A.
        theirs: B.
        n: samples.
        patients_K: patients with a sample of each class.
        n_patients: patients.
        repetition_P: the difference of each pretraining, whose spread is added (`metrics.spread`).
    """
    assert ours.value_R.shape == theirs.value_R.shape, (ours.value_R.shape, theirs.value_R.shape)
    from scipy.stats import t

    gap_R, gap = ours.value_R - theirs.value_R, ours.value - theirs.value
    defined_R = gap_R[np.isfinite(gap_R)]
    undefined = len(gap_R) - len(defined_R)
    if len(defined_R) < 2:
        return Paired(Estimate(gap, math.nan, math.nan, n, n_patients, undefined), math.nan)
    freedom = degrees_of_freedom(name, patients_K=patients_K, n_patients=n_patients)
    quantile = float(t.ppf((1 + LEVEL) / 2, freedom))
    sides = (ours, theirs)
    if all(float(np.nanstd(side.value_R)) < SAME for side in sides):
        own = [
            metric_estimate(name, side.value_R, side.value, n=n, patients_K=patients_K, n_patients=n_patients)
            for side in sides
        ]
        below, above = _as_independent(*own)
    else:
        error = _stretch(name, sides, patients_K) * float(defined_R.std(ddof=1))
        below = above = quantile * error
    below, above = (math.hypot(half, half_range(repetition_P)) for half in (below, above))
    interval = Estimate(gap, gap - below, gap + above, n, n_patients, undefined)
    towards_zero = below if gap > 0 else above
    if towards_zero < SAME:
        return Paired(interval, 1.0 if abs(gap) < SAME else math.nan)
    return Paired(interval, float(2 * t.sf(abs(gap) / towards_zero * quantile, freedom)))


def _as_independent(ours: Estimate, theirs: Estimate) -> tuple[float, float]:
    """How far the difference's interval goes below and above it."""
    below = math.hypot(ours.value - ours.low, theirs.high - theirs.value)
    above = math.hypot(ours.high - ours.value, theirs.value - theirs.low)
    return below, above


def _stretch(name: str, sides: Sequence[Side], patients_K: Sequence[int]) -> float:
    modelled: float = sum(standard_error(name, side.value_R, side.value, patients_K=patients_K) ** 2 for side in sides)
    drawn: float = sum(float(np.nanvar(side.value_R, ddof=1)) for side in sides)
    return max(1.0, math.sqrt(modelled / drawn))
