"""Label efficiency as a figure: labels that each arm used, against those that the control needs for the same AUC."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.report.efficiency import Efficiency, efficiencies
from medtrimix.report.figures.style import FAINT, INK, SETTINGS, looks, new_grid
from medtrimix.report.study import LabelsNeeded, Study
from medtrimix.report.summary import control
from medtrimix.report.wording import strategy_title

_FACTORS = (1, 3, 10, 30)
_MARGIN = 1.6


def label_efficiency(study: Study) -> Figure | None:
    """A panel per strategy; above the diagonal labels are saved. None without two budgets and a control."""
    found = efficiencies(study)
    against = control(study)
    if not found or against is None:
        return None
    strategies = [strategy for strategy in study.strategies if any(one.strategy == strategy for one in found)]
    name = f"{looks(study)[against[0]].title}, {strategy_title(against[1])}"
    with mpl.rc_context(SETTINGS):
        figure, panels = new_grid(len(strategies), columns=2, height=4.0, sharey=True)
        for panel, strategy in zip(panels, strategies, strict=True):
            _panel(panel, [one for one in found if one.strategy == strategy], study=study)
            panel.set_title(strategy_title(strategy))
            panel.set_xlabel("labelled images used")
        for panel in panels[::2]:
            panel.set_ylabel(f"labelled images needed for the same AUC\nby: {name}")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def _panel(panel: Axes, found: list[Efficiency], *, study: Study) -> None:
    needed = found[0].needed
    floor, ceiling = needed.fewest / _MARGIN, needed.most * _MARGIN
    ends = np.array([floor, ceiling])
    for factor in _FACTORS:
        panel.plot(ends, ends * factor, color=INK if factor == 1 else FAINT, linewidth=0.9)
        if factor * floor < needed.most / 1.5:
            text = "no gain" if factor == 1 else f"{factor}x fewer labels"
            panel.text(floor * 1.06, floor * factor * 1.12, text, color="#666666", fontsize=7, va="bottom")
    for level in (needed.fewest, needed.most):
        panel.axhline(level, color=FAINT, linewidth=0.9, linestyle=":")
    panel.text(floor * 1.06, needed.most * 1.1, "more than were tried", color="#666666", fontsize=7, va="bottom")
    panel.text(ceiling, needed.fewest * 0.94, "that many or fewer", color="#666666", fontsize=7, ha="right", va="top")
    arms = {arm: look for arm, look in looks(study).items() if any(one.arm == arm for one in found)}
    for place, (arm, look) in enumerate(arms.items()):
        own = [one for one in found if one.arm == arm]
        dodge = 1 + 0.06 * (place - (len(arms) - 1) / 2)
        x_B = np.array([one.n_labels for one in own]) * dodge
        low_B, value_B, high_B = (
            np.array([_drawn(getattr(one.needed, part), one.needed) for one in own])
            for part in ("low", "value", "high")
        )
        panel.vlines(x_B, low_B, high_B, color=look.colour, linewidth=1.4, alpha=0.7)
        panel.plot(x_B, value_B, look.marker, color=look.colour, markersize=5.5, label=look.title)
    panel.set(xscale="log", yscale="log", xlim=(floor, ceiling), ylim=(floor, ceiling * 1.25))
    labels = sorted({one.n_labels for one in found})
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(mpl.ticker.FixedLocator(labels))
        axis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set_minor_locator(mpl.ticker.NullLocator())


def _drawn(labels: float, needed: LabelsNeeded) -> float:
    """Where a number is drawn: open ends lie half a margin beyond the budgets, and what is not known nowhere."""
    if math.isnan(labels):
        return labels
    if math.isinf(labels):
        return needed.most * math.sqrt(_MARGIN)
    return labels if labels > needed.fewest else needed.fewest / math.sqrt(_MARGIN)
