"""Many comparisons at a time: Holm's correction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.definitions import Floats


def holm(p_value_M: npt.ArrayLike) -> Floats:
    """Adjusted p-values, in the order given: below .05, the chance of any false claim in the family is below 5%.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979; no assumption about how
    the tests depend on each other. NaN (a test that could not be made) stays NaN and does not count.
    """
    values_M = np.asarray(p_value_M, dtype=np.float64)
    adjusted_M = np.full(values_M.shape, np.nan)
    made = np.flatnonzero(~np.isnan(values_M))
    order = made[np.argsort(values_M[made], kind="stable")]
    steps = values_M[order] * np.arange(len(order), 0, -1)
    adjusted_M[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted_M
