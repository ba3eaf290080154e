"""The ways in which the archives store a radiograph, and the picture that each must show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medtrimix.phantom.solids import Floats

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Encoding:
    """How pixels become bytes.

    Attributes:
        syntax: transfer syntax.
        plugin: pydicom's encoder, "" where the pixels stay as they are.
        bits: bits stored; 8 bits are the finished picture, 12 bits come with a window.
        inverted: MONOCHROME1, the lowest value is white.
        rescale: slope and intercept of the modality's values, `(1, 0)` is not written.
        alternatives: further windows that a viewer may offer; the first one counts.
    """

    syntax: UID
    plugin: str = ""
    bits: int = 12
    inverted: bool = False
    rescale: tuple[int, int] = (1, 0)
    alternatives: int = 0


ENCODINGS = {
    "explicit_8": Encoding(ExplicitVRLittleEndian, bits=8),
    "explicit_12": Encoding(ExplicitVRLittleEndian),
    "mono1_12": Encoding(ExplicitVRLittleEndian, inverted=True, rescale=(2, -1024)),
    "jpeg2000_12": Encoding(JPEG2000Lossless, "pylibjpeg"),
    "jpegls_12": Encoding(JPEGLSLossless, "pyjpegls"),
    "rle_8": Encoding(RLELossless, "pylibjpeg", bits=8),
    "implicit_12": Encoding(ImplicitVRLittleEndian, alternatives=1),
}


@dataclass(frozen=True, eq=False)
class Stored:
    """Pixels as stored, `(H, W)`, and the windows (centre, width) in rescaled values that go with them."""

    pixels_HW: Pixels
    windows: tuple[tuple[int, int], ...]


def store(brightness_HW: Floats, rng: np.random.Generator, *, encoding: Encoding) -> Stored:
    """Pixels for a brightness that the display shows as black at 0 and as white at 1.

    Twelve bits leave room beyond both ends of the window, which differs from image to image. Its width is even and its
    centre whole, so that no pixel falls on the border between two grey values of the display, where the rounding of
    one reader and another may differ.
    """
    top = 2**encoding.bits - 1
    if encoding.bits == 8:
        return Stored(np.rint(np.clip(brightness_HW, 0, 1) * top).astype(np.uint8), ())
    low, span = int(rng.integers(300, 600)), 2 * int(rng.integers(1000, 1500))
    upward_HW = 1 - brightness_HW if encoding.inverted else brightness_HW
    pixels_HW = np.rint(np.clip(low + span * upward_HW, 0, top)).astype(np.uint16)
    slope, intercept = encoding.rescale
    width = slope * span
    centre = slope * low + intercept + width // 2
    hard = tuple((centre - width // 8, width // 4) for _ in range(encoding.alternatives))
    return Stored(pixels_HW, ((centre, width), *hard))


def shown(stored: Stored, *, encoding: Encoding) -> npt.NDArray[np.uint8]:
    """The 8-bit picture of a correct reader, 0 = black, `(H, W)`.

    Rescale, first window (DICOM PS3.3 C.11.2.1.2.1, LINEAR), inversion of MONOCHROME1, 0..255, rounded to the nearest.
    """
    slope, intercept = encoding.rescale
    value_HW = slope * stored.pixels_HW.astype(np.float64) + intercept
    if stored.windows:
        centre, width = stored.windows[0]
        share_HW = np.clip((value_HW - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
    else:
        share_HW = value_HW / (2**encoding.bits - 1)
    if encoding.inverted:
        share_HW = 1 - share_HW
    return np.rint(255 * share_HW).astype(np.uint8)
