"""Files of volumes to facts, and volumes to readings: what runs in the decoding processes with `data.volume`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from medtrimix.ingest.dicom.scan import SliceFacts, scan_dicom
from medtrimix.ingest.dicom.volume import SliceRefused, read_volume
from medtrimix.ingest.fit.orientation import orientation_of
from medtrimix.ingest.fit.volume import fitted_volume
from medtrimix.ingest.formats.nifti import read_nifti
from medtrimix.ingest.opening import Task, kind_of, open_file
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.reading import Reading, Spoiled, flags_text, join_keys, patient_of, sample_id
from medtrimix.ingest.sample import Record
from medtrimix.ingest.sniff import Kind
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Whole:
    """A file that is a volume, or several, by itself."""


@dataclass(frozen=True)
class VolumeTask:
    """The files of a volume, in the order of its slices."""

    files: tuple[Task, ...]


def scan_file(task: Task, *, options: DataOptions, pseudonyms: Pseudonyms) -> SliceFacts | Whole | Verdict:
    """What the header of a file says about its place in a volume, without touching its pixels."""
    try:
        with open_file(task, options=options) as file:
            kind = kind_of(file, name=task.relative)
            if kind is Kind.nifti:
                return Whole()
            if kind not in (Kind.dicom, Kind.headless_dicom):
                return Verdict.no_volume
            return scan_dicom(file, headless=kind is Kind.headless_dicom, options=options, pseudonyms=pseudonyms)
    except Refused as refusal:
        return refusal.verdict
    except OSError:
        return Verdict.unreadable


def read_volumes(
    task: VolumeTask, *, options: DataOptions, pseudonyms: Pseudonyms
) -> tuple[Reading, ...] | Spoiled | Verdict:
    """The readings of the files of a volume; a verdict alone is on all of them. Identifiers end here."""
    try:
        return tuple(
            reading
            for voxels in _voxels(task, options=options)
            for reading in _readings(voxels, task=task.files[0], options=options, pseudonyms=pseudonyms)
        )
    except SliceRefused as refusal:
        return Spoiled(refusal.position, refusal.verdict)
    except Refused as refusal:
        return refusal.verdict
    except OSError:
        return Verdict.unreadable


def _voxels(task: VolumeTask, *, options: DataOptions) -> tuple[Voxels, ...]:
    first = task.files[0]
    if len(task.files) == 1:
        with open_file(first, options=options) as file:
            if kind_of(file, name=first.relative) is Kind.nifti:
                zipped = file.read(2) == _GZIP
                file.seek(0)
                return read_nifti(file, zipped=zipped, options=options)
    return read_volume([partial(open_file, file, options=options) for file in task.files], options=options)


def _readings(voxels: Voxels, *, task: Task, options: DataOptions, pseudonyms: Pseudonyms) -> tuple[Reading, ...]:
    """One reading of the volume, or one of each of its slices."""
    images = fitted_volume(voxels, options=options)
    who, record = voxels.identity, _record(voxels, task=task, options=options, pseudonyms=pseudonyms)
    readings = []
    for place, image in enumerate(images):
        part = voxels.frame * len(images) + place
        readings.append(
            Reading(
                image=image,
                record=replace(
                    record,
                    sample_id=sample_id(who, task=task, part=part, pseudonyms=pseudonyms),
                    pixel_sha256=record.pixel_sha256 if len(images) == 1 else _slice_digest(record, place=place),
                    frame=part,
                ),
                keys=join_keys(who, pseudonyms=pseudonyms),
                is_instance=bool(who.instance_uid),
                copies=voxels.duplicates,
            )
        )
    return tuple(readings)


def _record(voxels: Voxels, *, task: Task, options: DataOptions, pseudonyms: Pseudonyms) -> Record:
    who = voxels.identity
    _, slices, rows, columns = voxels.values_CDHW.shape
    slice_mm, row_mm, column_mm = voxels.spacing_mm
    return Record(
        sample_id="",
        patient_id=patient_of(who, task=task, encoding=voxels.encoding, options=options, pseudonyms=pseudonyms),
        study_id=pseudonyms.study(who.study_uid) if who.study_uid else "",
        series_id=pseudonyms.series(who.series_uid) if who.series_uid else "",
        label="",
        split="",
        pixel_sha256=_digest(voxels),
        modality=voxels.modality,
        encoding=voxels.encoding,
        rows=rows,
        columns=columns,
        slices=slices,
        spacing_mm=row_mm,
        column_spacing_mm=column_mm,
        slice_spacing_mm=slice_mm,
        spacing_origin="patient",
        orientation=orientation_of(voxels.affine),
        affine=" ".join(repr(float(value)) for value in voxels.affine[:3].ravel()),
        device=pseudonyms.device(who.device) if who.device else "",
        flags=flags_text(voxels.flags, who=who, task=task, options=options),
    )


def _digest(voxels: Voxels) -> str:
    """SHA-256 of the values as little-endian float32, slice by slice in the order of the file."""
    whole = hashlib.sha256()
    for values_DHW in voxels.values_CDHW:
        for values_HW in values_DHW:
            whole.update(np.ascontiguousarray(values_HW, dtype="<f4").data)
    return whole.hexdigest()


def _slice_digest(volume: Record, *, place: int) -> str:
    return hashlib.sha256(f"{volume.pixel_sha256} slice {place}".encode()).hexdigest()
