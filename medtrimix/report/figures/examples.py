"""Validation images that were called right, wrong, or hardly at all, or whose finding was seen or missed.

They are pictures of patients, so `report.examples: false` leaves them out. They never come from the test set, and
nothing but the pixels, the classes and the probability is shown.
"""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.data.store import ArrayStore
from medtrimix.metrics.examples import NUMBER
from medtrimix.report.figures.style import SETTINGS, WIDTH, new_figure
from medtrimix.report.study import Examples, Pixels, Study
from medtrimix.report.wording import number
from medtrimix.steps.explain import Explained

_LARGEST = 96
_TITLES = {
    "right": "called right, most confident of each class",
    "wrong": "called wrong, most confident first",
    "uncertain": "uncertain, closest call first",
    "seen": "finding seen: there, and more probable than in 9 of 10 images without it",
    "missed": "finding missed: there, and less probable than in half of the images without it",
    "false_alarm": "false alarm: not there, and more probable than in 9 of 10 images without it",
}
_FAINTEST = 0.1
"""Of a map whose values are all smaller, nothing is made to look like evidence."""
_GOOD, _BAD = "#007a55", "#c23b00"


def examples(found: Explained, *, store: ArrayStore) -> tuple[Examples, ...]:
    """One for each kind that there is, with pictures from `store`."""
    shown = []
    for kind in dict.fromkeys(found.kind_B.tolist()):
        own_B = found.kind_B == kind
        pixels_BCHW = small(store.images(found.row_B[own_B]))
        parts = (part[own_B] for part in (found.probability_BK, found.target_B, found.column_B, found.evidence_BYX))
        shown.append(Examples(kind, pixels_BCHW, *parts))
    return tuple(shown)


def small(image_BCHW: npt.NDArray[np.generic]) -> Pixels:
    """Pictures `(B, 1 or 3, h, w)`, averaged down to 96 pixels; of volumes `(B, C, D, H, W)` the middle slice."""
    if image_BCHW.ndim == 5:
        image_BCHW = image_BCHW[:, :, image_BCHW.shape[2] // 2]
    if image_BCHW.shape[1] != 3:
        image_BCHW = image_BCHW[:, :1]
    factor = -(-max(image_BCHW.shape[2:]) // _LARGEST)
    height, width = (size // factor for size in image_BCHW.shape[2:])
    cut = image_BCHW[:, :, : height * factor, : width * factor].astype(np.float64)
    mean = cut.reshape(*cut.shape[:2], height, factor, width, factor).mean(axis=(3, 5))
    return np.asarray(np.rint(mean), dtype=np.uint8)


def example_sheet(study: Study) -> Figure | None:
    """A row per kind; None without any picture."""
    return _sheet(study, _picture)


def saliency_sheet(study: Study) -> Figure | None:
    """The same pictures in the same places, with what each answer rests on; None without any picture."""
    return _sheet(study, _evidence)


def _sheet(study: Study, draw: Callable[..., None]) -> Figure | None:
    shown = [found for found in study.examples if len(found.target_B)]
    if not shown:
        return None
    with mpl.rc_context(SETTINGS):
        figure, panels = new_figure(columns=NUMBER, width=WIDTH, height=1.85 * len(shown), row_heights=[1] * len(shown))
        for row, found in enumerate(shown):
            own = panels[row * NUMBER : (row + 1) * NUMBER]
            for place, panel in enumerate(own):
                panel.set_axis_off()
                if place < len(found.target_B):
                    draw(panel, found, place, classes=study.classes)
            own[0].set_title(" ", pad=16)  # room above
            title = own[0].annotate(
                _TITLES[found.kind], (0, 1), (0, 17), xycoords="axes fraction", textcoords="offset points"
            )
            title.set(fontsize=10, fontweight="bold", in_layout=False)  # wider than its picture
    return figure


def _evidence(panel: Axes, found: Examples, place: int, *, classes: tuple[str, ...]) -> None:
    """The picture, faint, under its map: red where covering takes from the answer, blue where it adds."""
    height, width = found.pixels_BCHW.shape[2:]
    grey_HW = found.pixels_BCHW[place].mean(axis=0)
    evidence_YX = found.evidence_BYX[place]
    largest = max(float(np.abs(evidence_YX).max()), _FAINTEST)
    panel.imshow(grey_HW, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    panel.imshow(
        evidence_YX,
        cmap="RdBu_r",
        vmin=-largest,
        vmax=largest,
        alpha=np.abs(evidence_YX) / largest * 0.7,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
    )
    _label(panel, _truth(found, place, classes=classes), above=True)
    peak = float(evidence_YX.flat[np.abs(evidence_YX).argmax()])
    _label(panel, f"{_short(classes[int(found.column_B[place])])}: {peak:+.1f}", above=False)


def _picture(panel: Axes, found: Examples, place: int, *, classes: tuple[str, ...]) -> None:
    pixels_HWC = np.moveaxis(found.pixels_BCHW[place], 0, -1)
    panel.imshow(np.broadcast_to(pixels_HWC, (*pixels_HWC.shape[:2], 3)), interpolation="nearest", vmin=0, vmax=255)
    column = int(found.column_B[place])
    probability = number(float(found.probability_BK[place, column]))
    several = found.target_B.ndim == 2
    said = f"probability {probability}" if several else f"called {_short(classes[column])}, {probability}"
    good = found.kind == "seen" if several else column == int(found.target_B[place])
    _label(panel, said, above=False, colour=_GOOD if good else _BAD)
    _label(panel, _truth(found, place, classes=classes), above=True)


def _truth(found: Examples, place: int, *, classes: tuple[str, ...]) -> str:
    """`is opacity`; of several findings `effusion: no`."""
    if found.target_B.ndim == 1:
        return f"is {_short(classes[int(found.target_B[place])])}"
    column = int(found.column_B[place])
    return f"{_short(classes[column])}: {'yes' if found.target_B[place, column] else 'no'}"


def _label(panel: Axes, text: str, *, above: bool, colour: str = "black") -> None:
    y, side = (1.03, "bottom") if above else (-0.04, "top")
    panel.text(0.5, y, text, transform=panel.transAxes, ha="center", va=side, fontsize=7, color=colour)


def _short(name: str) -> str:
    return name if len(name) <= 14 else name[:13] + "…"
