"""The vote of the nearest labelled images: what frozen features say without any training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.errors import NumericalError
from medtrimix.lowlabel.options import KNNOptions
from medtrimix.lowlabel.task import Rows
from medtrimix.metrics.neighbours import cosine_similarity, distance_similarity, vote

_AT_A_TIME = 2**24
"""Similarities that are held in memory at once."""


@dataclass(frozen=True)
class NeighbourClassifier:
    """The labelled features and what they vote for: a weight in their class's column."""

    bank_NE: npt.NDArray[np.float64]
    say_NK: npt.NDArray[np.float64]
    options: KNNOptions

    def predict(self, features_NE: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Probabilities, shape (N, K)."""
        similarity = cosine_similarity if self.options.metric == "cosine" else distance_similarity
        rows = max(1, _AT_A_TIME // len(self.bank_NE))
        parts = [
            vote(
                similarity(self.bank_NE, features_NE[start : start + rows]),
                self.say_NK,
                neighbours=self.options.neighbours,
                temperature=self.options.temperature,
            )
            for start in range(0, len(features_NE), rows)
        ]
        return np.concatenate(parts)


def fit_knn(
    features_NE: npt.NDArray[np.floating], target_N: Rows, *, classes: int, options: KNNOptions
) -> NeighbourClassifier:
    """Remembers the labelled features. Every class must have a label.

    Raises:
        NumericalError: a feature is not a number.
    """
    bank_NE = np.asarray(features_NE, dtype=np.float64)
    if not np.isfinite(bank_NE).all():
        raise NumericalError("The encoder's features are not all finite numbers.")
    say_NK = np.eye(classes)[target_N]
    if options.class_weight == "balanced":
        say_NK = say_NK / say_NK.sum(axis=0)
    return NeighbourClassifier(bank_NE, say_NK, options)
