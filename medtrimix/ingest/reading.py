"""A decoded image without its label, and the pseudonyms that it leaves the decoding process with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medtrimix.arrays import Volume
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.labels import JoinKeys, join_key
from medtrimix.ingest.opening import Task
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Identity
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Record
from medtrimix.ingest.sniff import Kind
from medtrimix.ingest.verdict import Refused, Verdict

_PATIENTS_OF_THEIR_OWN = (Kind.png, Kind.jpeg, Kind.tiff, Kind.nifti)
"""Files of these formats have no place for a patient's number."""


@dataclass(frozen=True)
class Reading:
    """A decoded image without its label.

    Attributes:
        image: in the shape of the store.
        record: `label` and `split` still empty.
        keys: join labels by patient, study or series.
        is_instance: whether `sample_id` is that of a DICOM instance, which may come again, rather than of a path.
        copies: places, among the files that were read together, of those that repeat another.
    """

    image: Volume
    record: Record
    keys: JoinKeys
    is_instance: bool
    copies: tuple[int, ...] = ()


@dataclass(frozen=True)
class Spoiled:
    """Several files that can't be read together because of one of them, at `position` among them."""

    position: int
    verdict: Verdict


def sample_id(who: Identity, *, task: Task, part: int, pseudonyms: Pseudonyms) -> str:
    """From the DICOM instance (of a volume: its first) if there is one, so that a moved or fetched file keeps it.

    `part` tells the frames, slices or time points of one file apart, 0 for the first.
    """
    if who.instance_uid:
        return pseudonyms.instance(who.instance_uid, part=part)
    return pseudonyms.file(task.relative, part=part)


def join_keys(who: Identity, *, pseudonyms: Pseudonyms) -> JoinKeys:
    """What labels can be joined on."""
    return JoinKeys(
        patient_id=join_key("patient_id", who.patient_id, pseudonyms=pseudonyms),
        study_uid=join_key("study_uid", who.study_uid, pseudonyms=pseudonyms),
        series_uid=join_key("series_uid", who.series_uid, pseudonyms=pseudonyms),
    )


def patient_of(who: Identity, *, task: Task, encoding: str, options: DataOptions, pseudonyms: Pseudonyms) -> str:
    """The file's own patient, else the one in the labels. A photograph without either is a patient of its own.

    Raises:
        Refused: missing_patient.
    """
    if who.patient_id:
        # Exports, and all tables, leave the issuer out at times. One patient too few costs little, one too many leaks.
        return pseudonyms.patient(who.patient_id, issuer=who.issuer if options.issuer == "separate" else "")
    if task.patient_id:
        return pseudonyms.patient(task.patient_id)
    if encoding in _PATIENTS_OF_THEIR_OWN:
        return pseudonyms.patient(f"file {task.relative}")
    if options.missing_patient == "by_study" and who.study_uid:
        return pseudonyms.patient(f"study {who.study_uid}")
    raise Refused(Verdict.missing_patient)


def flags_text(flags: Iterable[Flag], *, who: Identity, task: Task, options: DataOptions) -> str:
    """The flags as the index has them, with the one that only the labels can spare a file.

    Raises:
        Refused: excluded.
    """
    found = set(flags) if who.patient_id or task.patient_id else {*flags, Flag.no_patient_number}
    if found & set(options.exclude):
        raise Refused(Verdict.excluded)
    return " ".join(sorted(found))
