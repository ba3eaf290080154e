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
    number, draws = len(values_P), len(value_R)
    if number < 2:
        return value_R
    place_R = np.random.default_rng(_SEED).permutation(draws)
    error = float(values_P.std(ddof=1)) / math.sqrt(number)
    return np.asarray(value_R + error * t.ppf((place_R + 0.5) / draws, number - 1), dtype=np.float64)
