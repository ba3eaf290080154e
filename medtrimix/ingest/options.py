"""The `data:` section of a pipeline file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medtrimix.config.model import Config
from medtrimix.findings import NO_FINDING, SEPARATOR
from medtrimix.ingest.flags import Flag

PHANTOM = "phantom"
"""The source that is made on the spot; its maker writes a folder, and that folder is what gets ingested."""

SERVICE = "dicomweb+"
"""Begins the address of a DICOMweb service, and of every instance that it has."""

Side = Annotated[int, Field(ge=8, le=4096)]


VolumeSide = Annotated[int, Field(ge=1, le=1024)]
Millimetres = Annotated[float, Field(gt=0, le=100)]


class VolumeOptions(Config):
    """How slices become volumes, and volumes the one size of the store.

    Attributes:
        samples: a sample is a whole volume, or each of its slices (at `image_size`).
        size: slices, rows and columns of every stored volume.
        spacing_mm: distance of slices, of rows and of columns to resample to, then cut or padded to `size` about the
            middle; null brings the whole volume to `size` as `fit` says.
        window_hu: Hounsfield units shown as black and as white; null takes `ct_window`. For NIfTI, whose files say
            no modality, it is the range of values shown; null takes the robust range.
        orientation: where columns, rows and slices of the stored volume lead in the patient: `LPS` (left, posterior,
            superior) shows axial slices as a radiologist sees them.
        fourth_axis: a file with several volumes (time points, diffusion directions) is refused, gives as many samples,
            or gives one sample with as many channels, which must be `channels`.
        channels: number of channels with `fourth_axis: channels`.
        min_slices: volumes with fewer are refused.
    """

    samples: Literal["volumes", "slices"] = "volumes"
    size: tuple[VolumeSide, VolumeSide, VolumeSide] = (64, 64, 64)
    spacing_mm: tuple[Millimetres, Millimetres, Millimetres] | None = None
    window_hu: tuple[float, float] | None = None
    orientation: str = "LPS"
    fourth_axis: Literal["refuse", "samples", "channels"] = "refuse"
    channels: int = Field(default=1, ge=1, le=64)
    min_slices: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> VolumeOptions:
        if len(self.orientation) != 3 or {_AXIS.get(letter) for letter in self.orientation} != {"x", "y", "z"}:
            raise ValueError(
                f"orientation {self.orientation!r}: expected one of L or R, one of A or P, one of I or S, in any order"
            )
        if self.window_hu is not None and not self.window_hu[0] < self.window_hu[1]:
            raise ValueError("window_hu: the value shown as black must be below the one shown as white")
        if self.channels > 1 and self.fourth_axis != "channels":
            raise ValueError("channels above 1 need fourth_axis: channels")
        return self


_AXIS = {"L": "x", "R": "x", "A": "y", "P": "y", "I": "z", "S": "z"}


class DataOptions(Config):
    """Where images and labels come from, and the one size and colour that they get.

    Attributes:
        source: a folder (scanned recursively), a manifest `.csv` or `.parquet`, a MedMNIST `.npz`, a DICOMweb service
            (`dicomweb+https://...`, behind which `?Modality=..&StudyDate=..` may follow), or `phantom`.
        labels: for a folder or a service: a CSV with the label column and one of `path` (relative to the CSV's own
            folder), `series_uid`, `study_uid` or `patient_id`; optional columns `patient_id` and `split`.
        label: name of the label column in `labels` or in the manifest. A list of columns that hold 0 or 1 makes the
            labels of several findings.
        finding: of several findings, the one to learn: the classes are then `no` and `yes`; null learns all of them,
            each as a question of its own. Labels of several findings come from a list of columns, from texts such as
            `edema|nodule`, or from an archive.
        image_size: rows and columns of every stored image.
        volume: null: every picture is a sample. Else slices are put together to volumes by their geometry, and NIfTI
            is read.
        frames: without `volume`, a file of several frames (a cine loop) is refused, or each frame is a sample.
        exclude: flags whose bearers are left out.
        fit: `pad` keeps the whole picture on black, `crop` fills the size from the middle, `stretch` ignores the
            aspect ratio.
        channels: `grey` turns colour into luminance (ITU-R 601, Pillow's "L"); `rgb` repeats grey three times.
        issuer: `ignore`: a patient is a PatientID, whoever issued it; `separate`: one with another, or without, an
            IssuerOfPatientID is another patient.
        missing_patient: a DICOM file without PatientID is refused, or each study counts as one patient.
        ct_window: centre and width in Hounsfield units for CT, whose own windows vary within one scan.
        max_megapixels: larger pictures are refused before they are decoded.
        max_megavoxels: larger volumes are refused before they are decoded.
        timeout_s: seconds for one file, or for one volume, after which its process is ended.
        memory_limit_mb: address space of one decoding process.
    """

    source: str = Field(min_length=1)
    labels: str | None = None
    label: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=2)] = "label"
    finding: str | None = None
    image_size: tuple[Side, Side] = (64, 64)
    volume: VolumeOptions | None = None
    frames: Literal["refuse", "samples"] = "refuse"
    exclude: tuple[Flag, ...] = ()
    fit: Literal["pad", "crop", "stretch"] = "pad"
    channels: Literal["grey", "rgb"] = "grey"
    issuer: Literal["ignore", "separate"] = "ignore"
    missing_patient: Literal["refuse", "by_study"] = "refuse"
    ct_window: tuple[float, Annotated[float, Field(ge=1)]] = (40.0, 400.0)
    max_megapixels: float = Field(default=64, gt=0)
    max_megavoxels: float = Field(default=256, gt=0)
    timeout_s: float = Field(default=30, gt=0)
    memory_limit_mb: int = Field(default=2048, ge=512)

    @model_validator(mode="after")
    def _finding_is_one_of_them(self) -> DataOptions:
        columns = (self.label,) if isinstance(self.label, str) else self.label
        if {"path", "series_uid", "study_uid", "patient_id"} & set(columns):
            raise ValueError("the label can't be a column that identifies: class names appear in every result")
        for name in self.label if isinstance(self.label, tuple) else ():
            if SEPARATOR in name or name == NO_FINDING:
                raise ValueError(f"a finding can't be named {name!r} nor have {SEPARATOR!r} in its name")
        if isinstance(self.label, tuple) and self.finding not in (None, *self.label):
            raise ValueError(f"finding {self.finding!r} is none of the columns in `label`")
        return self

    @property
    def stored_channels(self) -> int:
        """Channels of every stored image."""
        grey = 1 if self.channels == "grey" else 3
        return self.volume.channels if self.volume is not None and self.volume.channels > 1 else grey

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """`(C, H, W)` or `(C, D, H, W)` of every stored image."""
        if self.volume is None or self.volume.samples == "slices":
            return (self.stored_channels, *self.image_size)
        return (self.stored_channels, *self.volume.size)
