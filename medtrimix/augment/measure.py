"""The normalisation of a data set, from its training images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from medtrimix.augment.options import Normalisation

_CHUNK_PIXELS = 2**22
_SMALLEST_STD = 1 / 255  # a set of blank images still has to be divided by something


def measure_normalisation(
    images: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]], *, rows: npt.NDArray[np.int64]
) -> Normalisation:
    """Mean and standard deviation of each channel over all pixels of these rows, exact, read in chunks.

    Args:
        images: row numbers to their images (N, C, H, W) or volumes (N, C, D, H, W).
        rows: of the training side.
    """
    first = images(rows[:1])
    channels, size = first.shape[1], max(1, _CHUNK_PIXELS // first.size)
    count_C256 = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, len(rows), size):
        chunk = images(rows[start : start + size])
        for channel in range(channels):
            count_C256[channel] += np.bincount(chunk[:, channel].ravel(), minlength=256)
    value_256 = np.arange(256) / 255
    share_C256 = count_C256 / count_C256.sum(axis=1, keepdims=True)
    mean_C = share_C256 @ value_256
    variance_C = (share_C256 * (value_256 - mean_C[:, None]) ** 2).sum(axis=1)
    std_C = np.maximum(np.sqrt(variance_C), _SMALLEST_STD)
    return Normalisation(mean=tuple(mean_C.tolist()), std=tuple(std_C.tolist()))
