"""The CT scanners of three made-up sites: geometry, noise, habits of their export."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)


@dataclass(frozen=True)
class Scanner:
    """One scanner and the archive behind it.

    Attributes:
        station: its made-up name.
        field_mm: width and height of a slice.
        noise: standard deviation relative to `CTOptions.noise_hu`.
        prone: people lie face down: stored columns lead to the right and rows to the front.
        signed: stored values have a sign and 16 bits; otherwise 12 bits without.
        intercept: Hounsfield units of the stored value 0.
        padding: stored value outside the circle that was reconstructed; None fills the square with air.
        localizer: chance that the scout image lies among the slices.
        encodings: names in `CT_ENCODINGS`, drawn with equal chance.
        ending: of its files in the export.
    """

    station: str
    field_mm: float
    noise: float
    prone: bool
    signed: bool
    intercept: int
    padding: int | None
    localizer: float
    encodings: tuple[str, ...]
    ending: str


CT_ENCODINGS: dict[str, tuple[UID, str]] = {
    "explicit": (ExplicitVRLittleEndian, ""),
    "implicit": (ImplicitVRLittleEndian, ""),
    "jpeg2000": (JPEG2000Lossless, "pylibjpeg"),
    "jpegls": (JPEGLSLossless, "pyjpegls"),
    "rle": (RLELossless, "pylibjpeg"),
}
"""Transfer syntax, and pydicom's encoder where the pixels are compressed."""

SCANNERS = (
    Scanner("PHANTOM-CT1", 400, 1.0, False, False, -1024, None, 0.6, ("explicit", "jpeg2000"), ".dcm"),
    Scanner("PHANTOM-CT2", 420, 1.3, False, True, 0, -2000, 0.0, ("implicit", "rle"), ""),
    Scanner("PHANTOM-CT3", 390, 0.7, True, True, -1024, None, 0.4, ("jpegls", "explicit"), ".dcm"),
)
