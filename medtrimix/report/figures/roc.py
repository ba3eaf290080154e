"""ROC curves, mean over label seeds, with a band for the arms that the opening sentence compares."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.metrics.bootstrap import LEVEL, patient_weights
from medtrimix.report.figures.style import FAINT, SETTINGS, Look, looks, new_grid
from medtrimix.report.study import Floats, Prediction, Study
from medtrimix.report.summary import control, summarise
from medtrimix.report.wording import interval, strategy_title

_GRID_G = np.linspace(0, 1, 101)
_DRAWS = 200
"""For the bands, which nobody reads to the third decimal."""
_SORTED = 4_000_000
"""Values that all draws of one curve may have: larger test sets get fewer draws, so that the page stays quick."""


def roc_curves(study: Study) -> Figure | None:
    """ROC of the first strategy, a panel per label budget, averaged over classes and label seeds; None without data."""
    strategy = study.strategies[0]
    shown = [prediction for prediction in study.predictions if prediction.strategy == strategy]
    if not shown:
        return None
    rows = {(row.arm, row.budget): row for row in summarise(study) if row.strategy == strategy}
    arms = looks(study)
    compared = (study.arms[0], (control(study) or ("", ""))[0])
    with mpl.rc_context(SETTINGS):
        figure, panels = new_grid(len(study.budgets), columns=3, height=3.4, sharey=True, square=True)
        for panel, budget in zip(panels, study.budgets, strict=True):
            panel.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
            for arm, look in arms.items():
                own = [prediction for prediction in shown if (prediction.arm, prediction.budget) == (arm, budget)]
                if own:
                    name = f"{look.title} {interval(rows[arm, budget].metrics['auc'])}"
                    _curve(panel, own, look=look, name=name, banded=arm in compared)
            panel.set_title(f"{budget} of labels" if budget.endswith("%") else budget)
            panel.set_xlabel("1 - specificity")
            panel.legend(
                loc="lower right", fontsize=6.5, frameon=False, handlelength=1.4, title="AUC", title_fontsize=6.5
            )
        for panel in panels[::3]:
            panel.set_ylabel(f"sensitivity ({strategy_title(strategy)})")
    return figure


def _curve(panel: Axes, own: list[Prediction], *, look: Look, name: str, banded: bool) -> None:
    once_RN = np.ones((1, len(own[0].target_N)))
    mean_G = np.mean([_roc(prediction, once_RN)[0] for prediction in own], axis=0)
    panel.plot(_GRID_G, mean_G, look.line, color=look.colour, linewidth=1.5, label=name)
    if banded:
        draws = max(20, min(_DRAWS, _SORTED // (len(own[0].target_N) * len(own))))
        chunks = patient_weights(own[0].patient_N, draws=draws, seed=0)
        sensitivity_RG = np.concatenate(
            [np.mean([_roc(prediction, weight_RN) for prediction in own], axis=0) for weight_RN in chunks]
        )
        tail = 100 * (1 - LEVEL) / 2
        low_G, high_G = np.nanpercentile(sensitivity_RG, [tail, 100 - tail], axis=0)
        panel.fill_between(_GRID_G, low_G, high_G, color=look.colour, alpha=0.13, linewidth=0)


def _roc(prediction: Prediction, weight_RN: Floats) -> Floats:
    """Sensitivity on the common grid of 1 - specificity, `(R, G)`.

    Of more than two classes the mean of one-versus-rest, of several findings the mean over them.
    """
    classes = prediction.probability_NK.shape[1]
    columns = [1] if classes == 2 and not prediction.several else range(classes)
    curves = [_roc_of(prediction.probability_NK[:, column], prediction.has(column), weight_RN) for column in columns]
    mean_RG: Floats = np.mean(curves, axis=0)
    return mean_RG


def _roc_of(score_N: Floats, positive_N: npt.NDArray[np.bool_], weight_RN: Floats) -> Floats:
    order = np.argsort(-score_N, kind="stable")
    last_of_tie = np.append(np.diff(score_N[order]) != 0, True)
    sorted_RN = weight_RN[:, order]
    found_RN = np.cumsum(sorted_RN * positive_N[order], axis=1)
    false_RN = np.cumsum(sorted_RN, axis=1) - found_RN
    curves = []
    for found_N, wrong_N in zip(found_RN, false_RN, strict=True):
        if not (found_N[-1] and wrong_N[-1]):
            curves.append(np.full_like(_GRID_G, np.nan))  # a draw without one of the two has no curve
            continue
        share_N, wrong_share_N = (values[last_of_tie] / values[-1] for values in (found_N, wrong_N))
        curve_G = np.interp(_GRID_G, wrong_share_N, share_N)
        curve_G[0] = 0.0  # every ROC starts in the corner, whatever the first threshold catches
        curves.append(curve_G)
    return np.stack(curves)
