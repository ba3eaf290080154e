"""One file to the readings of its pictures, or a verdict: what runs in the decoding processes."""

from __future__ import annotations

import hashlib
import math
from typing import BinaryIO

from medtrimix.arrays import Volume
from medtrimix.ingest.dicom.picture import read_dicom
from medtrimix.ingest.fit.picture import fitted, with_channels
from medtrimix.ingest.formats.raster import read_raster
from medtrimix.ingest.opening import Task, kind_of, open_file
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.reading import Reading, flags_text, join_keys, patient_of, sample_id
from medtrimix.ingest.sample import Record
from medtrimix.ingest.sniff import Kind
from medtrimix.ingest.verdict import Refused, Verdict


def read_file(task: Task, *, options: DataOptions, pseudonyms: Pseudonyms) -> tuple[Reading, ...] | Verdict:
    """The readings of a file, or why there are none. Identifiers end here: only pseudonyms go back."""
    try:
        with open_file(task, options=options) as file:
            pictures = _pictures(file, name=task.relative, options=options)
        return tuple(_reading(picture, task=task, options=options, pseudonyms=pseudonyms) for picture in pictures)
    except Refused as refusal:
        return refusal.verdict
    except OSError:
        return Verdict.unreadable


def _pictures(file: BinaryIO, *, name: str, options: DataOptions) -> tuple[Picture, ...]:
    kind = kind_of(file, name=name)
    match kind:
        case Kind.dicom | Kind.headless_dicom:
            return read_dicom(file, headless=kind is Kind.headless_dicom, options=options)
        case Kind.nifti:
            raise Refused(Verdict.is_volume)
        case _:
            return (read_raster(file, kind=kind.value, options=options),)


def _reading(picture: Picture, *, task: Task, options: DataOptions, pseudonyms: Pseudonyms) -> Reading:
    rows, columns = picture.array.shape[:2]
    image = with_channels(picture.array, channels=options.channels)
    array, (down, along) = fitted(image, size=options.image_size, fit=options.fit)
    row_mm, column_mm = picture.spacing_mm or (math.nan, math.nan)
    who = picture.identity
    record = Record(
        sample_id=sample_id(who, task=task, part=picture.frame, pseudonyms=pseudonyms),
        patient_id=patient_of(who, task=task, encoding=picture.encoding, options=options, pseudonyms=pseudonyms),
        study_id=pseudonyms.study(who.study_uid) if who.study_uid else "",
        series_id=pseudonyms.series(who.series_uid) if who.series_uid else "",
        label="",
        split="",
        pixel_sha256=hashlib.sha256(picture.array.tobytes()).hexdigest(),
        modality=picture.modality,
        encoding=picture.encoding,
        rows=rows,
        columns=columns,
        frame=picture.frame,
        spacing_mm=row_mm,
        column_spacing_mm=column_mm,
        spacing_origin=picture.spacing_origin,
        device=pseudonyms.device(who.device) if who.device else "",
        flags=flags_text(picture.flags, who=who, task=task, options=options),
    )
    return Reading(
        image=Volume(array, (row_mm / down, column_mm / along) if picture.spacing_mm else None),
        record=record,
        keys=join_keys(who, pseudonyms=pseudonyms),
        is_instance=bool(who.instance_uid),
    )
