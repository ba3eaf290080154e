"""Intervals of a mean over a few repetitions, such as pretrainings: their own spread added to that of the patients.

Bootstrap draws of the mean over P repetitions know how the test patients were sampled, but take the repetitions for
granted. Drawing those with replacement too would help little when there are five: the variance comes out as (P - 1) / P
of the right one, and the tails as if it were known. So every draw gets the standard error of the mean over repetitions
times a quantile of Student's t with P - 1 degrees of freedom. The sum is the Behrens-Fisher distribution of a mean with
two sources of chance (Fisher, "The comparison of samples with possibly unequal variances", Ann. Eugenics 1939): right
where one of them rules, a little wide where both matter.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.definitions import Floats

_SEED = 0  # decides only which draw meets which quantile


def widened(value_R: Floats, repetition_P: npt.ArrayLike) -> Floats:
    """Draws of a mean over repetitions, as they scatter when the repetitions are made anew as well: (R,).

    Args:
        value_R: draws over patients of the mean; NaN stays NaN.
        repetition_P: the repetitions' own values, independent of each other. A single one says nothing of their
            spread: the draws come back as they are.
    """
    from scipy.stats import t

    values_P = np.asarray(repetition_P, dtype=np.float64)
    draws = len(value_R)
    if len(values_P) < 2:
        return value_R
    place_R = np.random.default_rng(_SEED).permutation(draws)
    spread_R = _error(values_P) * t.ppf((place_R + 0.5) / draws, len(values_P) - 1)
    return np.asarray(value_R + spread_R, dtype=np.float64)


def half_range(repetition_P: npt.ArrayLike) -> float:
    """Half of the 95% interval that the repetitions alone give their mean; 0 for a single one."""
    from scipy.stats import t

    values_P = np.asarray(repetition_P, dtype=np.float64)
    if len(values_P) < 2:
        return 0.0
    return _error(values_P) * float(t.ppf(0.975, len(values_P) - 1))


def _error(value_P: Floats) -> float:
    return float(value_P.std(ddof=1)) / math.sqrt(len(value_P))
