"""How every figure looks: colours that colour-blind readers can tell apart, one marker per arm, two file formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medtrimix.config.files import replacing
from medtrimix.report.study import UNTRAINED, Study
from medtrimix.report.wording import arm_title

INK, FAINT = "#222222", "#d9d9d9"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette ("Color universal design", 2008) without black and yellow."""
MARKERS = ("o", "s", "^", "D", "v", "P")
WIDTH = 9.2
"""Inches of a figure that fills the page, so that letters have one size in all of them."""
_CONTROL = "#666666"
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}

SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures are the same everywhere
    "font.size": 9,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "medtrimix",  # same study, same bytes
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
}


@dataclass(frozen=True)
class Look:
    """One arm's appearance in every figure."""

    title: str
    colour: str
    marker: str
    line: str


def looks(study: Study) -> dict[str, Look]:
    """Arm -> appearance; the control from scratch is grey and dashed."""
    trained = [arm for arm in study.arms if study.methods[arm] != UNTRAINED]
    found = {}
    for arm in study.arms:
        title = arm_title(arm, method=study.methods[arm])
        if arm in trained:
            place = trained.index(arm)
            again, colour = divmod(place, len(COLOURS))  # a colour that comes again has another marker
            found[arm] = Look(title, COLOURS[colour], MARKERS[(colour + again) % len(MARKERS)], "-")
        else:
            found[arm] = Look(title, _CONTROL, "X", "--")
    return found


def new_figure(
    *, columns: int = 1, width: float, height: float, row_heights: Sequence[float] = (1,), sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of `width` x `height` inches and its panels in reading order, without any global state."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    ratios = {"height_ratios": list(row_heights)}
    panels = figure.subplots(len(row_heights), columns, squeeze=False, sharey=sharey, gridspec_kw=ratios)
    return figure, list(panels.ravel())


def new_grid(
    number: int, *, columns: int, height: float, sharey: bool = False, square: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure as wide as the page with `number` panels, `columns` at most in a row; `height` is a row's, in inches.

    Square panels are no higher than a third of the page is wide, so that a single one does not fill it.
    """
    columns = min(columns, number)
    rows = -(-number // columns)
    figure, panels = new_figure(
        columns=columns, width=WIDTH, height=height * rows, row_heights=[1] * rows, sharey=sharey
    )
    for panel in panels[number:]:
        panel.remove()
    for panel in panels[:number] if square else []:
        panel.set_box_aspect(1)
    return figure, panels[:number]


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, without dates and without references to other sites."""
    with mpl.rc_context(SETTINGS):
        file = BytesIO()
        figure.savefig(file, format="svg", metadata=_NO_METADATA)
    return file.getvalue()


def save(figure: Figure, folder: Path, *, name: str) -> None:
    """Writes `name.svg` and `name.png`, without dates and without references to other sites."""
    with mpl.rc_context(SETTINGS):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the layout is found; finding it again for each format takes half the time
        with replacing(folder / f"{name}.svg") as temporary:
            figure.savefig(temporary, format="svg", metadata=_NO_METADATA)
        with replacing(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
