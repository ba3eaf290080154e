"""The X-ray units of four made-up sites: geometry, detector, habits of their export."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """One X-ray unit and the archive behind it.

    Attributes:
        station: its made-up name.
        modality: `CR` (imaging plate) or `DX` (flat panel).
        from_behind: posterior-anterior, or (at the bedside) anterior-posterior.
        source_to_detector_mm: focal spot to detector.
        gap_mm: middle of the chest to detector.
        field_mm: height and width of the detector's field.
        exposure: quanta at the detector, relative to `PhantomOptions.quanta_per_mm2`.
        readout_noise: electronic noise, standard deviation in quanta per mm^2.
        scatter_ratio: scattered over primary quanta; an anti-scatter grid makes it small.
        blur_mm: standard deviation of the detector's point spread.
        curve: how the vendor bends the grey scale, 0 = straight, positive = dark parts brighter.
        encodings: names in `encodings.ENCODINGS`, drawn with equal chance.
        ending: of its files in the export.
    """

    station: str
    modality: str
    from_behind: bool
    source_to_detector_mm: float
    gap_mm: float
    field_mm: tuple[float, float]
    exposure: float
    readout_noise: float
    scatter_ratio: float
    blur_mm: float
    curve: float
    encodings: tuple[str, ...]
    ending: str


DEVICES = (
    Device("PHANTOM-DX1", "DX", True, 1800, 170, (420, 420), 1.3, 1.5, 0.5, 1.2, 0.0,
           ("jpeg2000_12", "explicit_12", "mono1_12"), ".dcm"),
    Device("PHANTOM-DX2", "DX", True, 1830, 180, (430, 355), 1.0, 2.0, 0.6, 1.5, 0.3,
           ("implicit_12", "jpegls_12"), ""),
    Device("PHANTOM-CR1", "CR", True, 1800, 165, (350, 430), 0.7, 4.0, 0.55, 2.4, -0.2,
           ("mono1_12", "rle_8", "explicit_8"), ".dcm"),
    Device("PHANTOM-MOBILE", "CR", False, 1100, 150, (355, 430), 0.5, 4.0, 1.2, 2.2, 0.15,
           ("explicit_8", "rle_8", "jpegls_12"), ".dcm"),
)  # fmt: skip
