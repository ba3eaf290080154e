"""The linear probe: how much of the answer is already in the frozen features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.errors import NumericalError
from medtrimix.lowlabel.options import LinearOptions
from medtrimix.lowlabel.task import Rows

_MAX_ITERATIONS = 2000
_FLAT = 1e-6
"""Relative spread below which a feature counts as constant: dividing by it would blow rounding up to a signal."""


@dataclass(frozen=True)
class LinearClassifier:
    """Standardisation and a softmax layer, as plain arrays."""

    mean_E: npt.NDArray[np.float64]
    scale_E: npt.NDArray[np.float64]
    weight_KE: npt.NDArray[np.float64]
    bias_K: npt.NDArray[np.float64]

    def predict(self, features_NE: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Probabilities, shape (N, K)."""
        standard_NE = (features_NE - self.mean_E) / self.scale_E
        logit_NK = standard_NE @ self.weight_KE.T + self.bias_K
        odds_NK = np.exp(logit_NK - logit_NK.max(axis=1, keepdims=True))
        return np.asarray(odds_NK / odds_NK.sum(axis=1, keepdims=True), dtype=np.float64)


def fit_linear(
    features_NE: npt.NDArray[np.floating], target_N: Rows, *, classes: int, options: LinearOptions
) -> LinearClassifier:
    """Logistic regression with an L2 penalty (lbfgs) on features standardised by the training rows alone.

    Every class must have a label.

    Raises:
        NumericalError: a feature is not a number.
    """
    from sklearn.linear_model import LogisticRegression

    wide_NE = features_NE.astype(np.float64)
    if not np.isfinite(wide_NE).all():
        raise NumericalError("The encoder's features are not all finite numbers.")
    mean_E, spread_E = wide_NE.mean(axis=0), wide_NE.std(axis=0)
    scale_E = np.where(spread_E > _FLAT * np.maximum(np.abs(mean_E), 1e-12), spread_E, 1.0)
    model = LogisticRegression(
        C=options.inverse_regularisation,
        class_weight="balanced" if options.class_weight == "balanced" else None,
        max_iter=_MAX_ITERATIONS,
    ).fit((wide_NE - mean_E) / scale_E, target_N)
    weight_KE, bias_K = model.coef_, model.intercept_
    if classes == 2:  # one row of log odds of class 1; class 0 is the reference
        weight_KE, bias_K = np.vstack([np.zeros_like(weight_KE), weight_KE]), np.append([0.0], bias_K)
    return LinearClassifier(mean_E, scale_E, weight_KE, bias_K)
