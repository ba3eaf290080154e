"""From stored values to the grey that a radiologist sees: DICOM PS3.3 C.11.1 and C.11.2 as numpy functions.

The order is fixed: stored value, padding, modality, values of interest (VOI), inversion, 8 bits. Every step acts on
single values, so `render` runs them once per value that can occur, in float64, and looks the pixels up: exact, and
faster than float32 over all pixels (9 ms instead of 14 ms for 7.5 megapixels on one core); counting them for the
percentiles takes 15 ms more, where numpy's own take 37 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]

ROBUST_RANGE = (0.005, 0.995)
"""Shares of the unmasked pixels that become black and white where a file brings no window."""

_BLOCK = 1 << 18  # pixels at a time, whose positions fit the processor's cache: half the time of all at once


@dataclass(frozen=True)
class Rescale:
    """Output = slope * stored + intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class LookupTable:
    """`entries[0]` stands for input `first` and everything below it, the last for everything above; `bits` wide."""

    first: int
    entries: Integers
    bits: int


@dataclass(frozen=True)
class Window:
    """Centre and width as the file gives them; `function` is LINEAR, LINEAR_EXACT or SIGMOID.

    A negative width, which no file may have, shows low values white: see `mirrored`.
    """

    center: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True)
class AsStored:
    """No window is known, for unsigned values of `bits` bits.

    If they carry 8 bits or fewer they are shown as they are, since whoever wrote them had chosen the grey already. That
    includes 8-bit values shifted up into a deeper container, which show in low bits that are zero in every pixel.
    Values that are truly deeper get `ROBUST_RANGE`.
    """

    bits: int


@dataclass(frozen=True)
class Display:
    """How to show a grey picture.

    Attributes:
        modality: stored values to meaningful ones, None for none.
        voi: the part of the values that is shown; None takes `ROBUST_RANGE` of the pixels.
        inverted: low values are white (MONOCHROME1, or presentation LUT shape INVERSE).
        padding: lowest and highest stored value that mean "no picture here"; shown black.
    """

    modality: Rescale | LookupTable | None
    voi: Window | LookupTable | AsStored | None
    inverted: bool
    padding: tuple[int, int] | None


def render(stored: Integers, *, display: Display) -> npt.NDArray[np.uint8]:
    """The picture in 0..255, black = 0, same shape as `stored`."""
    lowest, highest = int(stored.min()), int(stored.max())
    if highest - lowest >= 1 << 16:
        found, position, counts = np.unique(stored, return_inverse=True, return_counts=True)
        picture: npt.NDArray[np.uint8] = _shades(found.astype(np.int64), counts, display=display)[position]
        return picture
    values = np.arange(lowest, highest + 1)
    counts = np.ones_like(values)
    if display.voi is None or isinstance(display.voi, AsStored):
        counts = np.zeros_like(values)
        for positions in _blocks(stored, lowest=lowest):
            counts += np.bincount(positions, minlength=len(values))
    shades = _shades(values, counts, display=display)
    picture = np.empty(stored.shape, np.uint8)
    parts = np.split(picture.reshape(-1), range(_BLOCK, picture.size, _BLOCK))
    for part, positions in zip(parts, _blocks(stored, lowest=lowest), strict=True):
        shades.take(positions, out=part, mode="clip")  # "raise" would go through a copy
    return picture


def _blocks(stored: Integers, *, lowest: int) -> Iterator[npt.NDArray[np.intp]]:
    """Distances from the lowest value in numpy's own index type: a third of the time of any other."""
    flat = stored.reshape(-1)
    for start in range(0, len(flat), _BLOCK):
        positions = flat[start : start + _BLOCK].astype(np.intp)
        positions -= lowest
        yield positions


def _shades(stored: npt.NDArray[np.int64], counts: Integers, *, display: Display) -> npt.NDArray[np.uint8]:
    """Grey of each stored value; `counts` says how many pixels have it, where that matters."""
    padded = np.zeros(stored.shape, bool)
    if display.padding is not None:
        padded = (stored >= display.padding[0]) & (stored <= display.padding[1])
    values = apply_modality(stored, modality=display.modality)
    if isinstance(display.voi, LookupTable):
        shown = lookup(values, table=display.voi) / (2**display.voi.bits - 1)
    else:
        window = display.voi
        if isinstance(window, AsStored):
            window = _stored_window(stored[(counts > 0) & ~padded], modality=display.modality, bits=window.bits)
        shown = apply_window(values, window=window or robust_window(values, np.where(padded, 0, counts)))
    if display.inverted:
        shown = 1 - shown
    shade: npt.NDArray[np.uint8] = np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)
    shade[padded] = 0
    return shade


def stored_values(array: Integers, *, bits_stored: int, high_bit: int) -> Integers:
    """Values without the bits that are not theirs (old files keep overlays there), sign extended for signed types."""
    allocated = 8 * array.dtype.itemsize
    if bits_stored == allocated:
        return array
    if array.dtype.kind == "u":
        return (array >> (high_bit + 1 - bits_stored) if high_bit >= bits_stored else array) & ((1 << bits_stored) - 1)
    values = array << (allocated - 1 - high_bit)
    values >>= allocated - bits_stored
    return values


def apply_modality(stored: Integers, *, modality: Rescale | LookupTable | None) -> Floats:
    """What the device measured: Hounsfield units for CT (PS3.3 C.11.1)."""
    if isinstance(modality, LookupTable):
        return lookup(stored.astype(np.float64), table=modality)
    values = stored.astype(np.float64)
    return values if modality is None else values * modality.slope + modality.intercept


def lookup(values: Floats, *, table: LookupTable) -> Floats:
    """Entries of `table`; input outside of it takes the nearest end (PS3.3 C.11.1.1.1)."""
    position = np.clip(np.rint(values) - table.first, 0, len(table.entries) - 1).astype(np.intp)
    result: Floats = table.entries[position].astype(np.float64)
    return result


def apply_window(values: Floats, *, window: Window) -> Floats:
    """Values as shares 0..1 of the display range (PS3.3 C.11.2.1.2 LINEAR, C.11.2.1.3 SIGMOID and LINEAR_EXACT).

    LINEAR runs over width - 1 around centre - 0.5, since it was made for whole numbers.
    """
    if window.function == "SIGMOID":
        # Beyond +-700 exp overflows; there the curve is 0 or 1 to double precision anyway.
        return 1 / (1 + np.exp(np.clip(-4 * (values - window.center) / window.width, -700, 700)))
    center, width = window.center, window.width
    if window.function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:
        return (values > center).astype(np.float64)
    lowest = center - width / 2  # exact for whole and half numbers, unlike the standard's (x - c) / w + 0.5
    return np.clip((values - lowest) / width, 0, 1)


def _stored_window(
    occurring: npt.NDArray[np.int64], *, modality: Rescale | LookupTable | None, bits: int
) -> Window | None:
    """The range of 8-bit values, wherever in the container they lie; None if there are deeper ones."""
    shift = max(0, bits - 8)
    if (occurring & ((1 << shift) - 1)).any():
        return None
    ends = apply_modality(np.array([0, (2 ** min(bits, 8) - 1) << shift]), modality=modality)
    return full_range(float(ends.min()), float(ends.max()))


def robust_window(values: Floats, counts: Integers) -> Window:
    """A window from the values at `ROBUST_RANGE` of the pixels: numpy's percentiles with method "inverted_cdf"."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(counts[order]) / max(1, int(counts.sum()))
    low, high = values[order][np.minimum(np.searchsorted(share, ROBUST_RANGE), len(values) - 1)]
    return full_range(float(low), float(high))


def mirrored(window: Window) -> Window:
    """The window that shows 1 - what `window` shows."""
    low, high = window.center - window.width / 2, window.center + window.width / 2
    if window.function == "SIGMOID":
        return replace(window, width=-window.width)
    return full_range(high - 1 if window.function == "LINEAR" else high, low)


def full_range(low: float, high: float) -> Window:
    """The window that shows `low` as black and `high` as white."""
    return Window((low + high) / 2, high - low, "LINEAR_EXACT")
