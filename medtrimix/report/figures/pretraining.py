"""Figures of pretraining: the losses, and how healthy the representation was on the way."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.report.figures.style import FAINT, INK, SETTINGS, Look, looks, new_grid
from medtrimix.report.study import Floats, LossCurve, Study
from medtrimix.report.wording import number


def loss_curves(study: Study) -> Figure | None:
    """Terms of the loss over the images seen, a panel per pretrained arm; raw values faint, smoothed ones strong."""
    if not study.loss_curves:
        return None
    arms = looks(study)
    with mpl.rc_context(SETTINGS):
        figure, panels = new_grid(len(study.loss_curves), columns=3, height=2.8)
        for panel, curve in zip(panels, study.loss_curves, strict=True):
            _loss_panel(panel, curve, look=arms[curve.arm])
        for panel in panels[::3]:
            panel.set_ylabel("loss (scales differ)")
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
        figure, panels = new_grid(len(shown), columns=3, height=2.9)
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
    bottom, top = panel.get_ylim()
    panel.set_ylim(bottom, top + 0.35 * (top - bottom))  # room for the names
    panel.legend(loc="upper right", ncols=2, fontsize=7, frameon=False, title="last value", title_fontsize=7)


def _smoothed(value_S: Floats) -> Floats:
    """Centred moving average over a twentieth of the curve, over what there is at the ends."""
    half = max(len(value_S) // 40, 1)
    total = np.concatenate([[0.0], np.cumsum(value_S)])
    place = np.arange(len(value_S))
    low, high = np.maximum(place - half, 0), np.minimum(place + half + 1, len(value_S))
    mean: Floats = (total[high] - total[low]) / (high - low)
    return mean
