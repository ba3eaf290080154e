"""Images of a store with one square after the other covered, to see what a classifier's answer rests on.

Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medtrimix.data.store import ArrayStore

CELLS = 8
"""Of the map along each side."""
_ALONG = CELLS - 1
SQUARES = _ALONG**2
"""Each covers 2 x 2 cells, and the next one starts a cell further; of a volume they go through all slices."""


class CoveredImages:
    """A store, and after its rows those of images with a square covered.

    Row `covered(n)[s]` is image `row_N[n]` with square s covered; the last of `covered(n)` is the image as it is.

    Args:
        store: of uint8 images (C, H, W) or volumes (C, D, H, W).
        row_N: rows of the images to cover.
        fill_C: what a covered pixel shows in each channel.
    """

    def __init__(self, store: ArrayStore, *, row_N: npt.NDArray[np.int64], fill_C: Sequence[int]) -> None:
        self._store, self._row_N, self._fill_C = store, row_N, np.array(fill_C, dtype=np.uint8)
        self.image_shape = store.image_shape
        self._top, self._left = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in self.image_shape[-2:])

    def covered(self, number: int) -> npt.NDArray[np.int64]:
        """Rows of one image with each of the squares covered, and with none."""
        first = len(self._store) + number * (SQUARES + 1)
        return np.arange(first, first + SQUARES + 1)

    def is_covered(self, rows: npt.NDArray[np.int64]) -> bool:
        """Whether these are rows behind those of the store; the two are not asked for together."""
        return bool(len(rows)) and bool(rows.min() >= len(self._store))

    def images(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.generic]:
        """Images (N, C, H, W) or volumes (N, C, D, H, W)."""
        if not self.is_covered(rows):
            return self._store.images(rows)
        number_N, square_N = np.divmod(rows - len(self._store), SQUARES + 1)
        image_NCHW: npt.NDArray[np.generic] = self._store.images(self._row_N[number_N]).copy()
        fill = self._fill_C.reshape(-1, *[1] * (image_NCHW.ndim - 2))
        for image_CHW, square in zip(image_NCHW, square_N, strict=True):
            if square < SQUARES:
                y, x = divmod(int(square), _ALONG)
                image_CHW[..., self._top[y] : self._top[y + 2], self._left[x] : self._left[x + 2]] = fill
        return image_NCHW


def as_map(value_S: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What the squares were worth as a map of cells, (CELLS, CELLS): the mean over the squares that cover a cell."""
    total, count = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
    for value, (y, x) in zip(value_S, np.ndindex(_ALONG, _ALONG), strict=True):
        total[y : y + 2, x : x + 2] += value
        count[y : y + 2, x : x + 2] += 1
    return total / count
