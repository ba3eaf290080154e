"""Which images show best how a learner does: called right, wrong, or hardly at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NUMBER = 8
"""Images of each kind."""


def choose(
    probability_NK: npt.NDArray[np.float64], target_N: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.int64]]:
    """Kind -> positions of at most `NUMBER` images; none is of two kinds.

    `right`: the most confident of each class; `wrong`: the most confident first; `uncertain`: the closest call first.
    """
    confidence_N = probability_NK.max(axis=1)
    right_N = probability_NK.argmax(axis=1) == target_N
    best_two_N2 = np.sort(probability_NK, axis=1)[:, -2:]
    uncertain = np.argsort(best_two_N2[:, 1] - best_two_N2[:, 0], kind="stable")[: min(NUMBER, len(target_N) // 3)]
    left_N = np.ones(len(target_N), dtype=bool)
    left_N[uncertain] = False
    confident = np.argsort(-confidence_N, kind="stable")
    right = confident[(right_N & left_N)[confident]]
    classes = probability_NK.shape[1]
    share = max(1, NUMBER // classes)
    of_each = [right[target_N[right] == k][:share] for k in range(classes)]
    return {
        "right": np.concatenate(of_each)[:NUMBER],
        "wrong": confident[(~right_N & left_N)[confident]][:NUMBER],
        "uncertain": uncertain,
    }
