"""How many labels the control needs for the AUC that another way of learning reaches with fewer.

The control's learning curve is a straight line between its budgets over the logarithm of the number of labels. More
labels should not hurt, so where the measured curve falls it is replaced by the nearest one that does not (isotonic
regression, Barlow et al., "Statistical inference under order restrictions", 1972): then there is one crossing. Beyond
the budgets nothing is extrapolated: a crossing is "at most" the smallest budget or "more than" the largest.

The range has the crossings of the bootstrap draws. The draws of all cells come from the same patients, so every draw
compares ours and the control's whole curve on one test set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.bootstrap import LEVEL
from medtrimix.metrics.spread import widened
from medtrimix.report.study import CellRow, Floats, LabelsNeeded, Study
from medtrimix.report.summary import cells_of, control

_FEWEST_DRAWS = 50
"""Without a class missing; of fewer a range has no meaning."""


@dataclass(frozen=True)
class Efficiency:
    """What the control needs to reach the AUC of one arm x strategy x budget."""

    arm: str
    strategy: str
    budget: str
    n_labels: int
    needed: LabelsNeeded


def efficiencies(study: Study) -> tuple[Efficiency, ...]:
    """One for each combination but the control's own; none where no control has two budgets or more."""
    found = control(study)
    if found is None:
        return ()
    arm, strategy = found
    curve = [own for budget in study.budgets if (own := cells_of(study, arm=arm, strategy=strategy, budget=budget))]
    if len(curve) < 2:
        return ()
    return tuple(
        Efficiency(own_arm, own_strategy, budget, min(cell.n_labels for cell in ours), _needed(ours, curve))
        for own_strategy in study.strategies
        for budget in study.budgets
        for own_arm in study.arms
        if (own_arm, own_strategy) != found
        and (ours := cells_of(study, arm=own_arm, strategy=own_strategy, budget=budget))
    )


def crossings(labels_B: npt.ArrayLike, behind_BR: npt.ArrayLike) -> Floats:
    """Number of labels from which the control is no longer behind: `(R,)`.

    Args:
        labels_B: its budgets, ascending.
        behind_BR: how far it is behind at each of them, in as many draws as there are.

    Returns:
        The smallest budget where it never was behind, infinity where it still is at the largest.
    """
    size_B = np.asarray(labels_B, dtype=np.float64)
    log_B = np.log(size_B)
    falling_BR = _never_rising(np.asarray(behind_BR, dtype=np.float64))
    reached_BR = falling_BR <= 0
    draw_R = np.arange(falling_BR.shape[1])
    after_R = reached_BR.argmax(axis=0)
    before_R = np.maximum(after_R - 1, 0)
    high_R, low_R = falling_BR[before_R, draw_R], falling_BR[after_R, draw_R]
    drop_R = high_R - low_R
    share_R = np.divide(high_R, drop_R, out=np.zeros_like(drop_R), where=drop_R > 0)
    crossing_R = np.exp(log_B[before_R] + share_R * (log_B[after_R] - log_B[before_R]))
    crossing_R = np.where(reached_BR[0], size_B[0], crossing_R)  # exactly, so that it can be told from a crossing
    return np.where(reached_BR.any(axis=0), crossing_R, math.inf)


def _never_rising(value_BR: Floats) -> Floats:
    """The nearest sequence that never rises, by the max-min formula of isotonic regression with equal weights."""
    number = len(value_BR)
    total_BR = np.concatenate([np.zeros_like(value_BR[:1]), np.cumsum(value_BR, axis=0)])
    rows = []
    for place in range(number):
        over_first = [
            np.max(
                [(total_BR[last] - total_BR[first]) / (last - first) for last in range(place + 1, number + 1)], axis=0
            )
            for first in range(place + 1)
        ]
        rows.append(np.min(over_first, axis=0))
    return np.stack(rows)


def _needed(ours: list[CellRow], curve: list[list[CellRow]]) -> LabelsNeeded:
    labels_B = [min(cell.n_labels for cell in cells) for cells in curve]
    behind_B = [_mean(ours) - _mean(cells) for cells in curve]
    behind_BR = np.stack([_behind(ours, cells) for cells in curve])
    crossing_R = crossings(labels_B, behind_BR[:, ~np.isnan(behind_BR).any(axis=0)])
    tail = (1 - LEVEL) / 2
    value = float(crossings(labels_B, np.array(behind_B)[:, None])[0])
    if len(crossing_R) < _FEWEST_DRAWS:
        return LabelsNeeded(value, math.nan, math.nan, fewest=labels_B[0], most=labels_B[-1])
    return LabelsNeeded(
        value,
        low=float(np.quantile(crossing_R, tail, method="lower")),  # between a number and infinity there is no middle
        high=float(np.quantile(crossing_R, 1 - tail, method="higher")),
        fewest=labels_B[0],
        most=labels_B[-1],
    )


def _mean(cells: list[CellRow]) -> float:
    return float(np.mean([cell.metrics["auc"].value for cell in cells]))


def _behind(ours: list[CellRow], theirs: list[CellRow]) -> Floats:
    """Draws of the difference of two means, with the spread between pretrainings where there are several."""
    gap_R = np.mean([cell.draws["auc"] for cell in ours], axis=0) - np.mean([c.draws["auc"] for c in theirs], axis=0)
    own, other = ({cell.pretrain_seed for cell in cells} for cells in (ours, theirs))
    shared = sorted(own & other)
    return widened(gap_R, [_mean(_of(number, ours)) - _mean(_of(number, theirs)) for number in shared])


def _of(pretraining: int, cells: list[CellRow]) -> list[CellRow]:
    return [cell for cell in cells if cell.pretrain_seed == pretraining]
