"""The `data:` section of a pipeline file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medtrimix.config.model import Config

PHANTOM = "phantom"
"""The source that is made on the spot; its maker writes a folder, and that folder is what gets ingested."""

Side = Annotated[int, Field(ge=8, le=4096)]


class DataOptions(Config):
    """Where images and labels come from, and the one size and colour that they get.

    Attributes:
        source: a folder (scanned recursively), a manifest `.csv`, a MedMNIST `.npz`, or `phantom`.
        labels: for a folder: a CSV with the label column and `path` (relative to the CSV's own folder) or
            `patient_id`; optional columns `patient_id` and `split`.
        label: name of the label column in `labels` or in the manifest.
        image_size: rows and columns of every stored image.
        fit: `pad` keeps the whole picture on black, `crop` fills the size from the middle, `stretch` ignores the
            aspect ratio.
        channels: `grey` turns colour into luminance (ITU-R 601, Pillow's "L"); `rgb` repeats grey three times.
        missing_patient: a DICOM file without PatientID is refused, or each study counts as one patient.
        ct_window: centre and width in Hounsfield units for CT slices, whose own windows vary within one scan.
        max_megapixels: larger pictures are refused before they are decoded.
        timeout_s: seconds for one file, after which its process is ended.
        memory_limit_mb: address space of one decoding process.
    """

    source: str = Field(min_length=1)
    labels: str | None = None
    label: str = Field(default="label", min_length=1)
    image_size: tuple[Side, Side] = (64, 64)
    fit: Literal["pad", "crop", "stretch"] = "pad"
    channels: Literal["grey", "rgb"] = "grey"
    missing_patient: Literal["refuse", "by_study"] = "refuse"
    ct_window: tuple[float, Annotated[float, Field(ge=1)]] = (40.0, 400.0)
    max_megapixels: float = Field(default=64, gt=0)
    timeout_s: float = Field(default=30, gt=0)
    memory_limit_mb: int = Field(default=2048, ge=512)
