"""A decoded file before it gets its pseudonyms; it never leaves the process that decoded it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from medtrimix.ingest.flags import Flag


@dataclass(frozen=True)
class Identity:
    """What a DICOM file says about who and what it shows; kept out of every repr."""

    patient_id: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)
    study_uid: str = field(default="", repr=False)
    series_uid: str = field(default="", repr=False)
    instance_uid: str = field(default="", repr=False)
    device: str = field(default="", repr=False)


@dataclass(frozen=True)
class Picture:
    """Full size and display-ready.

    Attributes:
        array: `(H, W)` grey or `(H, W, 3)` RGB, 0 = black.
        encoding: short name of the transfer syntax or file format.
        modality: DICOM modality, "" for other files.
        spacing_mm: distance of pixel centres down a column and along a row, None if unknown.
        identity: empty for anything but DICOM.
        flags: see `Flag`.
        spacing_origin: "patient", "detector" or "".
        frame: which frame of its file.
    """

    array: npt.NDArray[np.uint8]
    encoding: str
    modality: str = ""
    spacing_mm: tuple[float, float] | None = None
    identity: Identity = Identity()
    flags: tuple[Flag, ...] = ()
    spacing_origin: str = ""
    frame: int = 0
