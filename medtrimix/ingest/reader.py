"""One file to a reading or a verdict: the function that runs in the decoding processes."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

from medtrimix.arrays import Volume
from medtrimix.ingest.dicom import read_dicom
from medtrimix.ingest.fit import fitted, with_channels
from medtrimix.ingest.labels import patient_key
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.raster import read_raster
from medtrimix.ingest.sample import Record
from medtrimix.ingest.sniff import HEAD_BYTES, Kind, sniff
from medtrimix.ingest.verdict import Refused, Verdict

_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class Task:
    """A file to read; `patient_id` is what the labels say about it, for files that say nothing themselves."""

    relative: str
    path: str
    patient_id: str = ""


@dataclass(frozen=True)
class Reading:
    """A decoded file without its label.

    Attributes:
        image: at the size of the store.
        record: `label` and `split` still empty.
        patient_key: joins labels by patient, "" if the file names no patient.
        instance_key: equal for copies of one DICOM instance, "" for other files.
    """

    image: Volume
    record: Record
    patient_key: str
    instance_key: str


def read_file(task: Task, *, options: DataOptions, pseudonyms: Pseudonyms) -> Reading | Verdict:
    """The reading of a file, or why there is none. Identifiers end here: only pseudonyms go back."""
    try:
        with _open(task.path) as file:
            picture = _picture(file, name=task.relative, options=options)
        return _reading(picture, task=task, options=options, pseudonyms=pseudonyms)
    except Refused as refusal:
        return refusal.verdict
    except OSError:
        return Verdict.unreadable


def _open(path: str) -> BinaryIO:
    """A regular file, even if something else took its place since it was listed: a FIFO would block for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(Verdict.symlink if error.errno == errno.ELOOP else Verdict.unreadable) from None
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise Refused(Verdict.special_file)
    return file


def _picture(file: BinaryIO, *, name: str, options: DataOptions) -> Picture:
    kind = sniff(file.read(HEAD_BYTES), name=name)
    file.seek(0)
    match kind:
        case Kind.dicom | Kind.headless_dicom:
            return read_dicom(file, headless=kind is Kind.headless_dicom, options=options)
        case Kind.png | Kind.jpeg | Kind.tiff:
            return read_raster(file, kind=kind.value, options=options)
        case Kind.nifti:
            raise Refused(Verdict.unsupported_nifti)
        case Kind.other:
            raise Refused(Verdict.not_dicom if name.lower().endswith(_DICOM_ENDINGS) else Verdict.not_an_image)


def _reading(picture: Picture, *, task: Task, options: DataOptions, pseudonyms: Pseudonyms) -> Reading:
    rows, columns = picture.array.shape[:2]
    image = with_channels(picture.array, channels=options.channels)
    array, (down, along) = fitted(image, size=options.image_size, fit=options.fit)
    spacing = picture.spacing_mm
    who = picture.identity
    record = Record(
        sample_id=pseudonyms.file(task.relative),
        patient_id=_patient(picture, task=task, options=options, pseudonyms=pseudonyms),
        study_id=pseudonyms.study(who.study_uid) if who.study_uid else "",
        series_id=pseudonyms.series(who.series_uid) if who.series_uid else "",
        label="",
        split="",
        pixel_sha256=hashlib.sha256(picture.array.tobytes()).hexdigest(),
        modality=picture.modality,
        encoding=picture.encoding,
        rows=rows,
        columns=columns,
        spacing_mm=spacing[0] if spacing else math.nan,
    )
    return Reading(
        image=Volume(array, (spacing[0] / down, spacing[1] / along) if spacing else None),
        record=record,
        patient_key=patient_key(who.patient_id, pseudonyms=pseudonyms) if who.patient_id else "",
        instance_key=pseudonyms.keyed_digest(f"instance {who.instance_uid}") if who.instance_uid else "",
    )


def _patient(picture: Picture, *, task: Task, options: DataOptions, pseudonyms: Pseudonyms) -> str:
    """The file's own patient, else the one in the labels. A photograph without either is a patient of its own."""
    who = picture.identity
    if who.patient_id:
        return pseudonyms.patient(who.patient_id, issuer=who.issuer)
    if task.patient_id:
        return pseudonyms.patient(task.patient_id)
    if picture.encoding in (Kind.png, Kind.jpeg, Kind.tiff):
        return pseudonyms.patient(f"file {task.relative}")
    if options.missing_patient == "by_study" and who.study_uid:
        return pseudonyms.patient(f"study {who.study_uid}")
    raise Refused(Verdict.missing_patient)
