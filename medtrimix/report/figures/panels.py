"""Figures that are not lines: the paired differences, and the pictures that the methods saw."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.report.figures.style import FAINT, INK, SETTINGS, looks, new_figure
from medtrimix.report.study import Pixels, Study, ViewSheet
from medtrimix.report.summary import Difference, differences
from medtrimix.report.wording import number, p_in_words, signed_interval, strategy_title

_COLUMNS = 8
"""Pictures in one row of a contact sheet."""
_GAP = 2
"""Pixels between them."""


def forest(study: Study) -> Figure | None:
    """Paired AUC differences, reference minus other, with 95% intervals; None for a single arm."""
    gaps = differences(study)
    if not gaps:
        return None
    lines = _forest_lines(gaps)
    arms = looks(study)
    with mpl.rc_context(SETTINGS):
        figure, (panel,) = new_figure(width=8.2, height=0.9 + 0.21 * len(lines))
        panel.axvline(0, color=INK, linewidth=0.9)
        axis = panel.get_yaxis_transform()
        for place, line in enumerate(lines):
            if isinstance(line, str):
                panel.text(-0.02, place, line, transform=axis, ha="right", va="center", fontweight="bold")
                continue
            look, gap = arms[line.other], line.estimate
            panel.hlines(place, gap.low, gap.high, color=look.colour, linewidth=1.6)
            panel.plot(gap.value, place, look.marker, color=look.colour, markersize=5.5)
            panel.text(-0.02, place, f"vs {look.title}", transform=axis, ha="right", va="center", color=look.colour)
            text = f"{signed_interval(gap)}  {p_in_words(line.p_holm)}".strip()
            panel.text(1.02, place, text, transform=axis, va="center", fontsize=8)
        panel.set_ylim(len(lines) - 0.4, -0.8)
        panel.set_yticks([])
        panel.spines["left"].set_visible(False)
        panel.grid(axis="x", color=FAINT, linewidth=0.6)
        panel.set_xlabel(f"AUC difference: right of the line favours {arms[study.arms[0]].title}")
    return figure


def _forest_lines(gaps: tuple[Difference, ...]) -> list[str | Difference]:
    """A heading wherever strategy or budget changes, and the differences beneath it."""
    lines: list[str | Difference] = []
    heading = ""
    for gap in gaps:
        ours = f"{strategy_title(gap.strategy)}, {gap.n_labels:,} labels ({gap.budget})"
        if ours != heading:
            lines.append(ours)
            heading = ours
        lines.append(gap)
    return lines


def contact_sheet(study: Study) -> Figure | None:
    """A block per arm: originals, the two views, and the virtual pictures where the method mixes; None without any."""
    if not study.view_sheets:
        return None
    arms = looks(study)
    blocks = [(arms[sheet.arm].title, _rows(sheet)) for sheet in study.view_sheets]
    heights = [len(rows) + 0.4 for _, rows in blocks]
    with mpl.rc_context(SETTINGS):
        figure, panels = new_figure(width=8.2, height=0.9 * sum(heights), row_heights=heights)
        for panel, (title, rows) in zip(panels, blocks, strict=True):
            _sheet(panel, rows)
            panel.set_title(title)
    return figure


def _rows(sheet: ViewSheet) -> list[tuple[str, Pixels]]:
    rows = [("original", sheet.original_BCHW), ("view 1", sheet.view1_BCHW), ("view 2", sheet.view2_BCHW)]
    if sheet.virtual_BCHW is not None and sheet.lambda_B is not None:
        shares = np.unique(np.round(sheet.lambda_B, 3))
        mix = (
            number(float(shares[0]))
            if len(shares) == 1
            else f"{number(float(shares[0]))} to {number(float(shares[-1]))}"
        )
        rows.append((f"virtual\nλ {mix}", sheet.virtual_BCHW))
    return [(name, pixels_BCHW[:_COLUMNS]) for name, pixels_BCHW in rows]


def _sheet(panel: Axes, rows: list[tuple[str, Pixels]]) -> None:
    panel.imshow(np.concatenate([_strip(pixels_BCHW) for _, pixels_BCHW in rows]), interpolation="nearest")
    step = rows[0][1].shape[2] + _GAP
    panel.set_yticks([step * (place + 0.5) for place in range(len(rows))], [name for name, _ in rows])
    panel.set_xticks([])
    panel.tick_params(length=0)
    panel.set_anchor("W")
    for spine in panel.spines.values():
        spine.set_visible(False)


def _strip(pixels_BCHW: Pixels) -> npt.NDArray[np.uint8]:
    """(H + gap, B * (W + gap), 3): the pictures side by side with white seams, grey repeated into three channels."""
    white = ((0, 0), (0, 0), (0, _GAP), (0, _GAP))
    pixels_CHWB = np.moveaxis(np.pad(pixels_BCHW, white, constant_values=255), 0, -1)
    channels, height, width, pictures = pixels_CHWB.shape
    strip_CHW = np.swapaxes(pixels_CHWB, 2, 3).reshape(channels, height, pictures * width)
    return np.broadcast_to(np.moveaxis(strip_CHW, 0, -1), (height, pictures * width, 3))
