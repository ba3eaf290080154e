"""Learning curves: AUC over the number of labels, a line per arm."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.report.figures.style import FAINT, SETTINGS, Look, looks, new_grid
from medtrimix.report.study import Study
from medtrimix.report.summary import SummaryRow, summarise
from medtrimix.report.wording import metric_title, strategy_title


def learning_curves(study: Study, *, metric: str = "auc") -> Figure:
    """The metric over the number of labelled images, a panel per strategy, with 95% intervals."""
    rows = summarise(study)
    with mpl.rc_context(SETTINGS):
        figure, panels = new_grid(len(study.strategies), columns=2, height=3.7, sharey=True)
        ends = []
        for panel, strategy in zip(panels, study.strategies, strict=True):
            shown = [row for row in rows if row.strategy == strategy]
            ends.append(_learning_panel(panel, shown, arms=looks(study), metric=metric))
            panel.set_title(strategy_title(strategy))
        for panel, of_panel in zip(panels, ends, strict=True):  # when the axis that they share has its final range
            _label_ends(panel, of_panel, arms=looks(study))
        for panel in panels[::2]:
            panel.set_ylabel(f"{metric_title(metric)} on the test set, 95% interval")
    return figure


def _learning_panel(
    panel: Axes, rows: list[SummaryRow], *, arms: dict[str, Look], metric: str
) -> dict[str, tuple[float, float]]:
    """Draws the lines; where to name each."""
    ends = {}
    for place, (arm, look) in enumerate(arms.items()):
        own = [row for row in rows if row.arm == arm]
        dodge = 1 + 0.05 * (place - (len(arms) - 1) / 2)  # side by side, or the intervals hide one another
        labels = np.array([row.n_labels for row in own]) * dodge
        value, low, high = (
            np.array([getattr(row.metrics[metric], part) for row in own]) for part in ("value", "low", "high")
        )
        if not own:
            continue
        panel.fill_between(labels, low, high, color=look.colour, alpha=0.08, linewidth=0)
        panel.vlines(labels, low, high, color=look.colour, linewidth=1.3, alpha=0.7)
        panel.plot(labels, value, look.line, color=look.colour, marker=look.marker, markersize=5, linewidth=1.6)
        ends[arm] = max(row.n_labels for row in rows) * 1.22, float(value[-1])
    panel.set_xscale("log")
    budgets = {row.n_labels: row.budget for row in rows}
    panel.set_xticks(list(budgets), [f"{labels:,}\n{budget}" for labels, budget in budgets.items()])
    panel.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    panel.set_xlabel("labelled training images")
    panel.grid(axis="y", color=FAINT, linewidth=0.6)
    first, last = min(budgets), max(budgets)
    panel.set_xlim(first / 1.25, last * (last / first) ** 0.42 * 1.3)  # room for the names
    return ends


def _label_ends(panel: Axes, ends: dict[str, tuple[float, float]], *, arms: dict[str, Look]) -> None:
    """Names at the right ends of the lines, pushed apart where they would touch."""
    bottom, top = panel.get_ylim()
    gap = 0.055 * (top - bottom)
    order = sorted(ends, key=lambda arm: ends[arm][1])
    heights = [ends[arm][1] for arm in order]
    for _ in range(50):
        for lower, upper in pairwise(range(len(order))):
            overlap = gap - (heights[upper] - heights[lower])
            if overlap > 0:
                heights[lower] -= overlap / 2
                heights[upper] += overlap / 2
    for arm, height in zip(order, heights, strict=True):
        panel.text(
            ends[arm][0], height, arms[arm].title, color=arms[arm].colour, va="center", fontweight="bold", fontsize=8.5
        )
