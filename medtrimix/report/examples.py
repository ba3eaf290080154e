"""Validation images that were called right, wrong, or hardly at all: what the numbers look like.

They are pictures of patients, so `report.examples: false` leaves them out. They never come from the test set, and
nothing but the pixels, the classes and the probability is shown.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.data.store import ArrayStore
from medtrimix.report.study import Examples, Floats, Pixels, Study
from medtrimix.report.style import SETTINGS, WIDTH, new_figure
from medtrimix.report.wording import number
from medtrimix.steps.learn import Predictions

NUMBER = 8
"""Pictures of each kind."""
_LARGEST = 96
_TITLES = {
    "right": "called right, most confident of each class",
    "wrong": "called wrong, most confident first",
    "uncertain": "uncertain, closest call first",
}
_GOOD, _BAD = "#007a55", "#c23b00"


def examples(said: Predictions, *, store: ArrayStore) -> tuple[Examples, ...]:
    """One for each kind that there is, of what a learner said about images of `store`."""
    row_of = {name: row for row, name in enumerate(store.columns("sample_id")["sample_id"])}
    found = []
    for kind, chosen in choose(said.probability_NK, said.target_N).items():
        rows = np.array([row_of[name] for name in said.sample_N[chosen]], dtype=np.int64)
        found.append(Examples(kind, small(store.images(rows)), said.probability_NK[chosen], said.target_N[chosen]))
    return tuple(shown for shown in found if len(shown.target_B))


def choose(probability_NK: Floats, target_N: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
    """Kind -> positions of at most `NUMBER` images; none is of two kinds."""
    confidence_N = probability_NK.max(axis=1)
    right_N = probability_NK.argmax(axis=1) == target_N
    best_two_N2 = np.sort(probability_NK, axis=1)[:, -2:]
    uncertain = np.argsort(best_two_N2[:, 1] - best_two_N2[:, 0], kind="stable")[: min(NUMBER, len(target_N) // 3)]
    left_N = np.ones(len(target_N), dtype=bool)
    left_N[uncertain] = False
    confident = np.argsort(-confidence_N, kind="stable")
    right = confident[(right_N & left_N)[confident]]
    classes = probability_NK.shape[1]
    share = max(1, NUMBER // classes)
    of_each = [right[target_N[right] == k][:share] for k in range(classes)]
    return {
        "right": np.concatenate(of_each)[:NUMBER],
        "wrong": confident[(~right_N & left_N)[confident]][:NUMBER],
        "uncertain": uncertain,
    }


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
                    _picture(panel, found, place, classes=study.classes)
            own[0].set_title(" ", pad=16)  # room above
            title = own[0].annotate(
                _TITLES[found.kind], (0, 1), (0, 17), xycoords="axes fraction", textcoords="offset points"
            )
            title.set(fontsize=10, fontweight="bold", in_layout=False)  # wider than its picture
    return figure


def _picture(panel: Axes, found: Examples, place: int, *, classes: tuple[str, ...]) -> None:
    pixels_HWC = np.moveaxis(found.pixels_BCHW[place], 0, -1)
    panel.imshow(np.broadcast_to(pixels_HWC, (*pixels_HWC.shape[:2], 3)), interpolation="nearest", vmin=0, vmax=255)
    called = int(found.probability_BK[place].argmax())
    truth = int(found.target_B[place])
    panel.text(
        0.5,
        -0.04,
        f"called {_short(classes[called])}, {number(float(found.probability_BK[place, called]))}",
        transform=panel.transAxes,
        ha="center",
        va="top",
        fontsize=7,
        color=_GOOD if called == truth else _BAD,
    )
    panel.text(
        0.5, 1.03, f"is {_short(classes[truth])}", transform=panel.transAxes, ha="center", va="bottom", fontsize=7
    )


def _short(name: str) -> str:
    return name if len(name) <= 14 else name[:13] + "…"
