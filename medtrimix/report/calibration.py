"""Reliability diagrams: whether images that are given 70% have the finding in 70% of the cases.

DeGroot and Fienberg, "The comparison and evaluation of forecasters" (The Statistician 1983). With two classes the bins
are of the probability of the positive one; with more, of the called class, whose rate of being right is then observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.metrics.findings import as_questions
from medtrimix.report.study import Floats, Prediction, Study
from medtrimix.report.style import FAINT, SETTINGS, WIDTH, Look, looks, new_figure
from medtrimix.report.summary import control, summarise
from medtrimix.report.wording import number, strategy_title

BINS = 10
_Z = 1.959963984540054
_PANELS = 3


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width that have images, lowest probability first.

    Attributes:
        predicted_B: mean probability of their images.
        observed_B: share of them that have the finding (that are called right).
        low_B, high_B: its 95% interval (Wilson, JASA 1927), for the images of one label seed.
        count_B: images, averaged over label seeds.
        bin_B: numbers of the bins, from 0.
    """

    predicted_B: Floats
    observed_B: Floats
    low_B: Floats
    high_B: Floats
    count_B: Floats
    bin_B: np.ndarray[tuple[int], np.dtype[np.int64]]


def reliability(predictions: Sequence[Prediction]) -> Reliability:
    """Of cells that differ in their seed only, pooled."""
    score_N, true_N = (np.concatenate(parts) for parts in zip(*map(_scored, predictions), strict=True))
    bin_N = np.minimum((score_N * BINS).astype(np.int64), BINS - 1)
    total_B, score_B, true_B = (np.bincount(bin_N, weight, BINS) for weight in (np.ones_like(score_N), score_N, true_N))
    filled = total_B > 0
    count_B = total_B[filled] / len(predictions)
    observed_B = true_B[filled] / total_B[filled]
    middle_B = (observed_B + _Z**2 / (2 * count_B)) / (1 + _Z**2 / count_B)
    half_B = _Z * np.sqrt(observed_B * (1 - observed_B) / count_B + _Z**2 / (4 * count_B**2)) / (1 + _Z**2 / count_B)
    return Reliability(
        predicted_B=score_B[filled] / total_B[filled],
        observed_B=observed_B,
        low_B=middle_B - half_B,
        high_B=middle_B + half_B,
        count_B=count_B,
        bin_B=np.flatnonzero(filled),
    )


def calibration(study: Study) -> Figure | None:
    """The reference arm and the control at the smallest, the middle and the largest budget; None without data."""
    strategy = study.strategies[0]
    other = control(study) or (study.arms[0], strategy)
    pairs = list(dict.fromkeys([(study.arms[0], strategy), other]))
    shown = {budget: _groups(study, pairs, budget=budget) for budget in _some(study.budgets)}
    if not any(shown.values()):
        return None
    rows = {(row.arm, row.strategy, row.budget): row for row in summarise(study)}
    arms = looks(study)
    columns = len(shown)
    with mpl.rc_context(SETTINGS):
        figure, panels = new_figure(columns=columns, width=WIDTH, height=4.6, row_heights=(3.2, 1))
        for place, (budget, groups) in enumerate(shown.items()):
            curve, bars = panels[place], panels[columns + place]
            curve.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
            for offset, ((arm, learner), own) in enumerate(groups.items()):
                row = rows[arm, learner, budget]
                values = " ".join(
                    f"{name} {number(row.metrics[key].value)}"
                    for name, key in (("ECE", "ece"), ("Brier", "brier"))
                    if key in row.metrics
                )
                name = f"{arms[arm].title}, {strategy_title(learner)}\n{values}"
                _draw(curve, bars, reliability(own), look=arms[arm], name=name, offset=offset)
            curve.set(xlim=(0, 1), ylim=(0, 1))
            curve.set_title(f"{budget} of labels" if budget.endswith("%") else budget)
            curve.legend(loc="upper left", fontsize=6.5, frameon=False, handlelength=1.4)
            bars.set(xlim=(0, 1), xlabel="probability given")
            bars.margins(y=0.45)
        panels[0].set_ylabel("share with the finding" if len(study.classes) == 2 else "share called right")
        panels[columns].set_ylabel("images")
    return figure


def _draw(curve: Axes, bars: Axes, found: Reliability, *, look: Look, name: str, offset: int) -> None:
    curve.vlines(found.predicted_B, found.low_B, found.high_B, color=look.colour, linewidth=1.1, alpha=0.6)
    curve.plot(
        found.predicted_B,
        found.observed_B,
        look.line,
        marker=look.marker,
        color=look.colour,
        markersize=4.5,
        linewidth=1.2,
        label=name,
    )
    x_B = (found.bin_B + 0.27 + 0.46 * offset) / BINS
    bars.bar(x_B, found.count_B, width=0.42 / BINS, color=look.colour)
    for x, count in zip(x_B, found.count_B, strict=True):
        bars.annotate(
            f"{count:,.0f}", (x, count), (0, 2), textcoords="offset points", ha="center", rotation=90, fontsize=5.5
        )


def _scored(prediction: Prediction) -> tuple[Floats, Floats]:
    """Probability of what is asked, and whether it was so, `(N,)` each."""
    answer_NK, target_N = as_questions(prediction.probability_NK, prediction.target_N)
    if answer_NK.shape[1] == 2:
        return answer_NK[:, 1], (target_N == 1).astype(np.float64)
    return answer_NK.max(axis=1), (answer_NK.argmax(axis=1) == target_N).astype(np.float64)


def _groups(study: Study, pairs: list[tuple[str, str]], *, budget: str) -> dict[tuple[str, str], list[Prediction]]:
    found = {pair: [p for p in study.predictions if (p.arm, p.strategy, p.budget) == (*pair, budget)] for pair in pairs}
    return {pair: own for pair, own in found.items() if own}


def _some(budgets: tuple[str, ...]) -> tuple[str, ...]:
    """Smallest, middle and largest."""
    places = sorted({0, (len(budgets) - 1) // 2, len(budgets) - 1})
    return tuple(budgets[place] for place in places[:_PANELS])
