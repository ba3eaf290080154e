"""Figures of the quality page: grey values, sizes and spacings, images per patient, and the pictures themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medtrimix.report.figures.style import COLOURS, FAINT, INK, SETTINGS, new_figure
from medtrimix.report.quality.facts import GreyValues

_TILE_PX = 160
_GAP = 2
_BINS = 64
_MOST_MODALITIES = len(COLOURS)


def grey_figure(by: Mapping[str, tuple[GreyValues, ...]]) -> Figure:
    """A panel per way of grouping: the share of pixels at each grey value, black and white themselves left out."""
    with mpl.rc_context(SETTINGS):
        figure, panels = new_figure(columns=len(by), width=8.2, height=2.9, sharey=True)
        for panel, (title, kinds) in zip(panels, by.items(), strict=True):
            for grey, colour in zip(kinds, COLOURS, strict=False):
                share = grey.share_256.copy()
                share[[0, 255]] = 0  # borders and saturation would dwarf the picture; the table has them
                height = share.reshape(_BINS, -1).sum(axis=1)
                panel.plot(np.arange(_BINS) * 256 / _BINS + 2, 100 * height, color=colour, label=grey.kind)
            panel.set_title(title)
            panel.set_xlabel("grey value")
            panel.set_xlim(0, 255)
            panel.set_ylim(bottom=0)
            panel.grid(color=FAINT, linewidth=0.6)
            panel.legend(frameon=False, fontsize=8)
        panels[0].set_ylabel("% of pixels")
    return figure


def size_figure(index: pd.DataFrame, *, image_size: tuple[int, int]) -> Figure:
    """Original sizes beside original spacings; the cross is the size that all images were brought to."""
    with mpl.rc_context(SETTINGS):
        figure, (sizes, spacings) = new_figure(columns=2, width=8.2, height=3.1)
        modalities = [str(name) for name in index["modality"].value_counts().index[:_MOST_MODALITIES]]
        for modality, colour in zip(modalities, COLOURS, strict=False):
            of_it = index[index["modality"] == modality]
            _sizes(sizes, of_it, name=modality or "no modality", colour=colour)
            _spacings(spacings, of_it, colour=colour)
        rows, columns = image_size
        sizes.plot(columns, rows, "x", color=INK, markersize=9, markeredgewidth=2)
        sizes.annotate("stored", (columns, rows), xytext=(7, 0), textcoords="offset points", va="center")
        sizes.set_xlim(0, 1.1 * max(columns, index["columns"].max()))
        sizes.set_ylim(0, 1.1 * max(rows, index["rows"].max()))
        sizes.set_title("Sizes")
        sizes.set_xlabel("columns (pixels)")
        sizes.set_ylabel("rows (pixels)")
        sizes.legend(frameon=False, fontsize=8)
        spacings.set_title("Spacings of pixels (solid) and slices (dashed)")
        spacings.set_xlabel("millimetres")
        if index["spacing_mm"].isna().all():
            spacings.text(0.5, 0.5, "no file says it", transform=spacings.transAxes, ha="center", va="center")
        spacings.set_ylabel("samples")
        for panel in (sizes, spacings):
            panel.grid(color=FAINT, linewidth=0.6)
    return figure


def _sizes(panel: Axes, index: pd.DataFrame, *, name: str, colour: str) -> None:
    """A disc per size, its area by the number of samples."""
    found = index.groupby(["rows", "columns"]).size().reset_index(name="samples")
    area = 12 + 140 * np.sqrt(found["samples"] / found["samples"].max())
    panel.scatter(found["columns"], found["rows"], s=area, color=colour, alpha=0.5, linewidth=0, label=name)


def _spacings(panel: Axes, index: pd.DataFrame, *, colour: str) -> None:
    for column, line in (("spacing_mm", "-"), ("slice_spacing_mm", "--")):
        known = index[column].dropna().to_numpy()
        if len(known):
            low, high = known.min() * 0.95, known.max() * 1.05  # apart even if all are the same
            panel.hist(known, bins=40, range=(low, high), histtype="step", color=colour, linestyle=line)


def patients_figure(patients: Mapping[str, int]) -> Figure:
    """Bars: how many patients have how many images."""
    with mpl.rc_context(SETTINGS):
        figure, (panel,) = new_figure(width=8.2, height=2.2)
        bars = panel.bar(list(patients), list(patients.values()), color=COLOURS[0], width=0.7)
        panel.bar_label(bars, [f"{count:,}" if count else "" for count in patients.values()], fontsize=8)
        panel.set_xlabel("samples of one patient")
        panel.set_ylabel("patients")
    return figure


def tile(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """An `(H, W)` or `(H, W, 3)` picture of a stored image, small enough for a page.

    Of an image `(C, H, W)` itself; of a volume `(C, D, H, W)` the three middle planes side by side: across the slices,
    then, with the last slice on top, along rows and along columns.
    """
    if image.ndim == 3:
        return _shrunk(_channels_last(image))
    depth, height, width = image.shape[1:]
    planes = (image[:, depth // 2], image[:, ::-1, height // 2], image[:, ::-1, :, width // 2])
    return _side_by_side(_shrunk(_channels_last(plane)) for plane in planes)


def _channels_last(image_CHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """RGB where there are three channels, else the first one."""
    return np.moveaxis(image_CHW, 0, -1) if image_CHW.shape[0] == 3 else image_CHW[0]


def _shrunk(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Means of square blocks, so that the longer side is at most `_TILE_PX`."""
    block = -(-max(pixels.shape[:2]) // _TILE_PX)
    height, width = (max(1, length // block) for length in pixels.shape[:2])
    cut = pixels[: height * block, : width * block]
    blocks = cut.reshape(height, cut.shape[0] // height, width, cut.shape[1] // width, *pixels.shape[2:])
    means: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return np.rint(means).astype(np.uint8)


def _side_by_side(pictures: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    pictures = list(pictures)
    height = max(len(picture) for picture in pictures)
    padded = [
        np.pad(picture, ((0, height - len(picture)), (0, _GAP), *((0, 0),) * (picture.ndim - 2)))
        for picture in pictures
    ]
    return np.concatenate(padded, axis=1)[:, :-_GAP]
