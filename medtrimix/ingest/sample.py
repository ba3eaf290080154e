"""What ingest hands on: a picture with its row of the index, or a refusal. Nothing in here identifies anybody."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

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
        pixel_sha256: digest of the full-size display-ready uint8 picture, row-major, before `fit` and `channels`; of a
            volume, of its values as `voxels.Voxels` has them.
        modality: DICOM modality, "" for other files.
        encoding: short name of the transfer syntax or file format.
        rows: original height in pixels.
        columns: original width in pixels.
        slices: original number of slices, 1 for a picture.
        frame: which frame, slice or time point of its source this is, from 0.
        spacing_mm: original distance of pixel centres down a column, NaN if unknown.
        column_spacing_mm: along a row.
        slice_spacing_mm: between slices, NaN for a picture.
        spacing_origin: "patient" (measured there), "detector" (divided by the magnification if the file says it), ""
            if unknown.
        orientation: where columns, rows and slices of the original lead, such as "LPS"; "" if unknown.
        affine: the upper three rows of the original's voxel index (column, row, slice) to RAS millimetres, twelve
            numbers separated by blanks; "" if unknown.
        device: pseudonym of manufacturer and model, "" if unknown.
        flags: names of `Flag`, separated by blanks.
        site: pseudonym of where it was made, "" where no table says.
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
    slices: int = 1
    frame: int = 0
    spacing_mm: float = math.nan
    column_spacing_mm: float = math.nan
    slice_spacing_mm: float = math.nan
    spacing_origin: str = ""
    orientation: str = ""
    affine: str = ""
    device: str = ""
    flags: str = ""
    site: str = ""


@dataclass(frozen=True)
class Sample:
    """An accepted image: `image.array` is uint8 in the shape of the store; spacing and affine are those of it."""

    image: Volume
    record: Record


@dataclass(frozen=True)
class Refusal:
    """A file that is not among the samples: its pseudonym and the reason."""

    file_id: str
    verdict: Verdict


@dataclass(frozen=True)
class Outcome:
    """What became of one unit of work: a file, the files of a volume, or the files that make none.

    Attributes:
        samples: in order; several for the frames of a file or the slices of a volume.
        refusals: one for each file that is in no sample.
        accepted_files: files that are in the samples.
        joined: samples of which the labels have a row.
        unit: keyed digest of which files they were; "" in an archive.
    """

    samples: tuple[Sample, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    accepted_files: int = 0
    joined: int = 0
    unit: str = ""


HeadersRead: TypeAlias = Callable[[int, int], None]
"""Told how many headers have been read, of how many."""


class OtherUnits(Exception):
    """What an earlier ingest had finished is not made of the files that belong together now."""


@dataclass(frozen=True)
class Finished:
    """What an earlier, interrupted ingest of the same source had finished and the next one leaves out.

    Attributes:
        units: `Outcome.unit` of each outcome.
        accepted: `pixel_sha256` of each accepted sample by its `sample_id`, to know copies of them.
        joined: accepted samples of which the labels have a row.
    """

    units: Collection[str] = ()
    accepted: Mapping[str, str] = field(default_factory=dict)
    joined: int = 0
