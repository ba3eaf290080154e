"""Reliability diagrams: whether images that are given 70% have the finding in 70% of the cases.

DeGroot and Fienberg, "The comparison and evaluation of forecasters" (The Statistician 1983). With two classes the bins
are of the probability of the positive one; with more, of the called class, whose rate of being right is then observed.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.metrics.calibration import RELIABILITY_BINS, ReliabilityBin
from medtrimix.metrics.calibration import reliability as bins_of
from medtrimix.metrics.findings import as_questions
from medtrimix.report.figures.style import FAINT, SETTINGS, WIDTH, Look, looks, new_figure
from medtrimix.report.study import Prediction, Study
from medtrimix.report.summary import control, summarise
from medtrimix.report.wording import number, strategy_title

_PANELS = 3


def reliability(predictions: Sequence[Prediction]) -> tuple[ReliabilityBin, ...]:
    """Of cells that differ in their seed only, pooled; a patient stays one cluster through all of them."""
    answers = [as_questions(said.probability_NK, said.target_N) for said in predictions]
    patients = [
        said.patient_N.repeat(len(target_N) // len(said.patient_N))
        for said, (_, target_N) in zip(predictions, answers, strict=True)
    ]
    probability_NK, target_N = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    return bins_of(probability_NK, target_N, np.concatenate(patients))


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
    two_answers = len(study.classes) == 2 or study.several
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
                _draw(curve, bars, reliability(own), look=arms[arm], name=name, offset=offset, cells=len(own))
            curve.set(xlim=(0, 1), ylim=(0, 1))
            curve.set_title(f"{budget} of labels" if budget.endswith("%") else budget)
            curve.legend(loc="upper left", fontsize=6.5, frameon=False, handlelength=1.4)
            bars.set(xlim=(0, 1), xlabel="probability given")
            bars.margins(y=0.45)
        panels[0].set_ylabel("share with the finding" if two_answers else "share called right")
        panels[columns].set_ylabel("images")
    return figure


def _draw(
    curve: Axes, bars: Axes, found: Sequence[ReliabilityBin], *, look: Look, name: str, offset: int, cells: int
) -> None:
    predicted = [one.predicted for one in found]
    lows, highs = [one.observed_low for one in found], [one.observed_high for one in found]
    curve.vlines(predicted, lows, highs, color=look.colour, linewidth=1.1, alpha=0.6)
    curve.plot(
        predicted,
        [one.observed for one in found],
        look.line,
        marker=look.marker,
        color=look.colour,
        markersize=4.5,
        linewidth=1.2,
        label=name,
    )
    width = 1 / RELIABILITY_BINS
    counts = [one.n / cells for one in found]
    places = [one.low + (0.27 + 0.46 * offset) * width for one in found]
    bars.bar(places, counts, width=0.42 * width, color=look.colour)
    for x, count in zip(places, counts, strict=True):
        bars.annotate(
            f"{count:,.0f}", (x, count), (0, 2), textcoords="offset points", ha="center", rotation=90, fontsize=5.5
        )


def _groups(study: Study, pairs: list[tuple[str, str]], *, budget: str) -> dict[tuple[str, str], list[Prediction]]:
    found = {pair: [p for p in study.predictions if (p.arm, p.strategy, p.budget) == (*pair, budget)] for pair in pairs}
    return {pair: own for pair, own in found.items() if own}


def _some(budgets: tuple[str, ...]) -> tuple[str, ...]:
    """Smallest, middle and largest."""
    places = sorted({0, (len(budgets) - 1) // 2, len(budgets) - 1})
    return tuple(budgets[place] for place in places[:_PANELS])
