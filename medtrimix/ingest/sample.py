"""What ingest hands on: a picture with its row of the index, or a refusal. Nothing in here identifies anybody."""

from __future__ import annotations

from dataclasses import dataclass

from medtrimix.arrays import Volume
from medtrimix.ingest.verdict import Verdict


@dataclass(frozen=True)
class Record:
    """One row of the index.

    Attributes:
        sample_id: pseudonym of the file.
        patient_id: pseudonym of the patient.
        study_id: pseudonym of the study, "" where the source knows none.
        series_id: pseudonym of the series, "" where the source knows none.
        label: class name, "" for an unlabelled image.
        split: "train", "val" or "test" where the source brings a split, else "".
        pixel_sha256: digest of the full-size display-ready uint8 picture, row-major, before `fit` and `channels`.
        modality: DICOM modality, "" for other files.
        encoding: short name of the transfer syntax or file format.
        rows: original height in pixels.
        columns: original width in pixels.
        spacing_mm: original distance of pixel centres down a column, NaN if unknown.
    """

    sample_id: str
    patient_id: str
    study_id: str
    series_id: str
    label: str
    split: str
    pixel_sha256: str
    modality: str
    encoding: str
    rows: int
    columns: int
    spacing_mm: float


@dataclass(frozen=True)
class Sample:
    """An accepted file: `image.array` is `(C, H, W)` uint8 at `image_size`; its spacing is that of the stored size."""

    image: Volume
    record: Record


@dataclass(frozen=True)
class Refusal:
    """A file that is not among the samples: its pseudonym and the reason."""

    file_id: str
    verdict: Verdict
