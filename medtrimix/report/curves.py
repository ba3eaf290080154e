"""Figures with a line per arm: AUC over labels, ROC, and the losses of pretraining."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.report.study import Floats, LossCurve, Prediction, Study
from medtrimix.report.style import FAINT, INK, SETTINGS, Look, looks, new_figure
from medtrimix.report.summary import SummaryRow, summarise
from medtrimix.report.wording import interval, metric_title, number, strategy_title

_GRID = np.linspace(0, 1, 201)


def learning_curves(study: Study, *, metric: str = "auc") -> Figure:
    """The metric over the number of labelled images, a panel per strategy, with 95% intervals."""
    rows = summarise(study)
    with mpl.rc_context(SETTINGS):
        figure, panels = new_figure(
            columns=len(study.strategies), width=4.6 * len(study.strategies), height=3.9, sharey=True
        )
        for panel, strategy in zip(panels, study.strategies, strict=True):
            shown = [row for row in rows if row.strategy == strategy]
            _learning_panel(panel, shown, arms=looks(study), metric=metric)
            panel.set_title(strategy_title(strategy))
        panels[0].set_ylabel(f"{metric_title(metric)} on the test set, 95% interval")
    return figure


def _learning_panel(panel: Axes, rows: list[SummaryRow], *, arms: dict[str, Look], metric: str) -> None:
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
        ends[arm] = float(value[-1])
    panel.set_xscale("log")
    budgets = {row.n_labels: row.budget for row in rows}
    panel.set_xticks(list(budgets), [f"{labels:,}\n{budget}" for labels, budget in budgets.items()])
    panel.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    panel.set_xlabel("labelled training images")
    panel.grid(axis="y", color=FAINT, linewidth=0.6)
    first, last = min(budgets), max(budgets)
    panel.set_xlim(first / 1.25, last * (last / first) ** 0.42 * 1.3)  # room for the names
    _label_ends(panel, ends, arms=arms, x=last * 1.22)


def _label_ends(panel: Axes, ends: dict[str, float], *, arms: dict[str, Look], x: float) -> None:
    """Names at the right ends of the lines, pushed apart where they would touch."""
    bottom, top = panel.get_ylim()
    gap = 0.055 * (top - bottom)
    order = sorted(ends, key=ends.__getitem__)
    heights = [ends[arm] for arm in order]
    for _ in range(50):
        for lower, upper in pairwise(range(len(order))):
            overlap = gap - (heights[upper] - heights[lower])
            if overlap > 0:
                heights[lower] -= overlap / 2
                heights[upper] += overlap / 2
    for arm, height in zip(order, heights, strict=True):
        panel.text(x, height, arms[arm].title, color=arms[arm].colour, va="center", fontweight="bold", fontsize=8.5)


def roc_curves(study: Study) -> Figure | None:
    """ROC of the first strategy, a panel per label budget, averaged over classes and label seeds; None without data."""
    strategy = study.strategies[0]
    shown = [prediction for prediction in study.predictions if prediction.strategy == strategy]
    if not shown:
        return None
    rows = {(row.arm, row.budget): row for row in summarise(study) if row.strategy == strategy}
    arms = looks(study)
    with mpl.rc_context(SETTINGS):
        figure, panels = new_figure(columns=len(study.budgets), width=3.3 * len(study.budgets), height=3.6, sharey=True)
        for panel, budget in zip(panels, study.budgets, strict=True):
            panel.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
            for arm, look in arms.items():
                own = [prediction for prediction in shown if (prediction.arm, prediction.budget) == (arm, budget)]
                if own:
                    mean = np.mean([_roc(prediction) for prediction in own], axis=0)
                    name = f"{look.title} {interval(rows[arm, budget].metrics['auc'])}"
                    panel.plot(_GRID, mean, look.line, color=look.colour, linewidth=1.5, label=name)
            panel.set_title(f"{budget} of labels" if budget.endswith("%") else budget)
            panel.set_xlabel("1 - specificity")
            panel.set_box_aspect(1)
            panel.legend(
                loc="lower right", fontsize=6.5, frameon=False, handlelength=1.4, title="AUC", title_fontsize=6.5
            )
        panels[0].set_ylabel(f"sensitivity ({strategy_title(strategy)})")
    return figure


def _roc(prediction: Prediction) -> Floats:
    """Sensitivity on the common grid of 1 - specificity; the mean of one-versus-rest curves for several classes."""
    classes = prediction.probability_NK.shape[1]
    columns = [1] if classes == 2 else range(classes)
    curves = [_roc_of(prediction.probability_NK[:, column], prediction.target_N == column) for column in columns]
    mean: Floats = np.mean(curves, axis=0)
    return mean


def _roc_of(score_N: Floats, positive_N: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    order = np.argsort(-score_N, kind="stable")
    last_of_tie = np.append(np.diff(score_N[order]) != 0, True)
    true_positive = np.cumsum(positive_N[order])[last_of_tie] / max(positive_N.sum(), 1)
    false_positive = np.cumsum(~positive_N[order])[last_of_tie] / max((~positive_N).sum(), 1)
    curve: Floats = np.interp(_GRID, false_positive, true_positive)
    curve[0] = 0.0  # every ROC starts in the corner, whatever the first threshold catches
    return curve


def loss_curves(study: Study) -> Figure | None:
    """Terms of the loss over the images seen, a panel per pretrained arm; raw values faint, smoothed ones strong."""
    if not study.loss_curves:
        return None
    arms = looks(study)
    with mpl.rc_context(SETTINGS):
        columns = len(study.loss_curves)
        figure, panels = new_figure(columns=columns, width=3.3 * columns, height=3.0)
        for panel, curve in zip(panels, study.loss_curves, strict=True):
            _loss_panel(panel, curve, look=arms[curve.arm])
        panels[0].set_ylabel("loss (scales differ between methods)")
    return figure


_HEALTH_PANELS = {
    "rankme": "effective rank of the features",
    "feature_std": "std of the features' directions",
    "projector_rankme": "effective rank after the projector",
    "projector_feature_std": "std of directions after the projector",
    "knn_val_auc": "AUC of neighbours on val",
}


def health_curves(study: Study) -> Figure | None:
    """What was watched during pretraining, a panel per quantity, a line per arm; None where nothing was."""
    shown = {name: title for name, title in _HEALTH_PANELS.items() if any(name in c.watched for c in study.loss_curves)}
    if not shown:
        return None
    arms = looks(study)
    collapsed = {found.arm for found in study.collapses}
    with mpl.rc_context(SETTINGS):
        figure, panels = new_figure(columns=len(shown), width=2.9 * len(shown), height=3.3)
        for panel, (name, title) in zip(panels, shown.items(), strict=True):
            for curve in study.loss_curves:
                if name in curve.watched:
                    _health_line(panel, curve, name=name, look=arms[curve.arm], collapsed=curve.arm in collapsed)
            panel.set_title(title, fontsize=8.5)
            panel.set_xlabel("thousand images seen")
            panel.grid(axis="y", color=FAINT, linewidth=0.6)
            if name != "knn_val_auc":
                panel.set_ylim(bottom=0)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def _health_line(panel: Axes, curve: LossCurve, *, name: str, look: Look, collapsed: bool) -> None:
    """From the untrained network on; a collapsed arm ends in a cross."""
    images_M, value_M = curve.watched[name]
    if name in curve.untrained:
        images_M, value_M = np.append(0, images_M), np.append(curve.untrained[name], value_M)
    title = f"{look.title} (collapsed)" if collapsed else look.title
    panel.plot(
        images_M / 1000,
        value_M,
        look.line,
        color=look.colour,
        marker=look.marker,
        markersize=3,
        linewidth=1.3,
        label=title,
    )
    if collapsed:
        panel.plot(images_M[-1] / 1000, value_M[-1], "x", color="#c62828", markersize=9, markeredgewidth=2.5)


def _loss_panel(panel: Axes, curve: LossCurve, *, look: Look) -> None:
    thousands = curve.images_seen_S / 1000
    styles = ("-", "--", "-.", ":")
    for place, (term, value_S) in enumerate(curve.terms.items()):
        colour = look.colour if place == 0 else INK
        smooth_S = _smoothed(value_S)
        panel.plot(thousands, value_S, color=colour, alpha=0.18, linewidth=0.7)
        panel.plot(
            thousands, smooth_S, styles[place % 4], color=colour, linewidth=1.4, label=f"{term} {number(smooth_S[-1])}"
        )
    panel.set_title(look.title)
    panel.set_xlabel("thousand images seen")
    panel.grid(axis="y", color=FAINT, linewidth=0.6)
    panel.legend(fontsize=7, frameon=False, title="last value", title_fontsize=7)


def _smoothed(value_S: Floats) -> Floats:
    """Centred moving average over a twentieth of the curve, over what there is at the ends."""
    half = max(len(value_S) // 40, 1)
    total = np.concatenate([[0.0], np.cumsum(value_S)])
    place = np.arange(len(value_S))
    low, high = np.maximum(place - half, 0), np.minimum(place + half + 1, len(value_S))
    mean: Floats = (total[high] - total[low]) / (high - low)
    return mean
