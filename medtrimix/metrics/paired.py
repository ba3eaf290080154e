"""The difference of two cells on the same test set: its interval, and the p-value that agrees with it.

Differences of draws know what the two have in common. With few patients of a class they scatter too little where AUCs
are high, as the draws of either do. So their scatter is stretched by as much as the two AUCs' standard errors grow when
they are drawn to the model's (`metrics.interval`): by next to nothing in a large set, by a tenth with 20 positive
patients and AUCs of .98.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medtrimix.metrics.bootstrap import Estimate, estimate, p_value
from medtrimix.metrics.definitions import Floats
from medtrimix.metrics.interval import standard_error
from medtrimix.metrics.spread import widened


@dataclass(frozen=True)
class Paired:
    """A minus B.

    Attributes:
        estimate: with its 95% interval.
        p_value: two-sided, of no difference; below .05 where the interval leaves zero out.
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
    gap_R, gap = ours.value_R - theirs.value_R, ours.value - theirs.value
    stretched_R = (
        gap + _stretch(name, (ours, theirs), patients_K) * (gap_R - np.nanmean(gap_R)) if _any(gap_R) else gap_R
    )
    drawn_R = widened(stretched_R, repetition_P)
    return Paired(estimate(drawn_R, gap, n=n, n_patients=n_patients), p_value(drawn_R, gap))


def _any(value_R: Floats) -> bool:
    return bool(np.isfinite(value_R).any())


def _stretch(name: str, sides: Sequence[Side], patients_K: Sequence[int]) -> float:
    modelled = sum(standard_error(name, side.value_R, side.value, patients_K=patients_K) ** 2 for side in sides)
    drawn = sum(float(np.nanvar(side.value_R, ddof=1)) for side in sides)
    return max(1.0, (modelled / drawn) ** 0.5) if drawn > 0 else 1.0
