"""The metrics of one set of predictions, and the check that the predictions can be trusted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medtrimix.errors import InputError, NumericalError
from medtrimix.metrics.definitions import METRICS, Floats, Ints
from medtrimix.metrics.findings import suited

_SUM_TOLERANCE = 1e-4  # float32 softmax of a few hundred classes is within 1e-5 of one


def evaluate(probability_NK: npt.ArrayLike, target_N: npt.ArrayLike) -> dict[str, float]:
    """Every metric of `METRICS`; of several findings, whose targets are (N, L), see `metrics.findings`.

    Raises:
        NumericalError: a probability is not a number, or a row is no distribution.
        InputError: a class has no sample, so that there is nothing to rank.
    """
    probabilities_NK, targets_N = checked_predictions(probability_NK, target_N)
    once_RN = np.ones((1, len(targets_N)))
    return {
        name: float(suited(metric, targets_N)(probabilities_NK, targets_N, once_RN)[0])
        for name, metric in METRICS.items()
    }


def checked_predictions(probability_NK: npt.ArrayLike, target_N: npt.ArrayLike) -> tuple[Floats, Ints]:
    """The same predictions as float64 and int64; raises as `evaluate` does."""
    probabilities_NK = np.asarray(probability_NK, dtype=np.float64)
    targets_N = np.asarray(target_N, dtype=np.int64)
    assert probabilities_NK.ndim == 2, probabilities_NK.shape
    assert probabilities_NK.shape[1] >= 2, "two classes are two columns"
    several = targets_N.ndim == 2
    expected = probabilities_NK.shape if several else probabilities_NK.shape[:1]
    assert targets_N.shape == expected, (probabilities_NK.shape, targets_N.shape)
    if not np.isfinite(probabilities_NK).all():
        raise NumericalError(f"{np.isnan(probabilities_NK).any(axis=1).sum()} predictions are not numbers.")
    sums_N = 1 if several else probabilities_NK.sum(axis=1)
    if probabilities_NK.min() < 0 or probabilities_NK.max() > 1 + _SUM_TOLERANCE:
        raise NumericalError("Predicted probabilities are not between zero and one.")
    if np.abs(sums_N - 1).max() > _SUM_TOLERANCE:
        raise NumericalError("Predicted probabilities do not sum to one.")
    _require_every_class(targets_N, classes=probabilities_NK.shape[1])
    return probabilities_NK, targets_N


def _require_every_class(targets_N: Ints, *, classes: int) -> None:
    if targets_N.ndim == 2:
        present_L = targets_N.sum(axis=0)
        lacking_L = (present_L == 0) | (present_L == len(targets_N))
        if lacking_L.any():
            raise InputError(
                f"Of the {classes} findings, {lacking_L.sum()} are in none or in all of the {len(targets_N)} samples "
                "of the evaluated set.",
                fix="Use a larger set, or a larger share for validation and test.",
            )
        return
    count_K = np.bincount(targets_N, minlength=classes)
    assert len(count_K) == classes, "a target is not among the classes"
    if count_K.min() == 0:
        raise InputError(
            f"The evaluated set has {', '.join(map(str, count_K))} samples of its classes; each needs at least one.",
            fix="Use a larger set, or a larger share for validation and test.",
        )
