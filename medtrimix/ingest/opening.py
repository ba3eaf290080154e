"""A file of a source: what is known before it is read, and how it is opened."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

from medtrimix.ingest.options import SERVICE, DataOptions
from medtrimix.ingest.sniff import HEAD_BYTES, Kind, sniff
from medtrimix.ingest.verdict import Refused, Verdict

_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class Task:
    """A file to read.

    Attributes:
        relative: path below the root, or what a service calls it.
        path: where it lies, on disk or (after `SERVICE`) on a server.
        patient_id: what the labels say about it, for files that say nothing themselves.
    """

    relative: str
    path: str
    patient_id: str = ""


def open_file(task: Task, *, options: DataOptions) -> BinaryIO:
    """A regular file, even if something else took its place since it was listed: a FIFO would block for ever.

    Raises:
        Refused: it can't be opened.
    """
    if task.path.startswith(SERVICE):
        from medtrimix.ingest.pacs.dicomweb import open_instance

        return open_instance(task.path, options=options)
    try:
        descriptor = os.open(task.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(Verdict.symlink if error.errno == errno.ELOOP else Verdict.unreadable) from None
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise Refused(Verdict.special_file)
    return file


def kind_of(file: BinaryIO, *, name: str) -> Kind:
    """What a file is; `file` is at its beginning, before and afterwards.

    Raises:
        Refused: it is nothing that is read.
    """
    kind = sniff(file.read(HEAD_BYTES), name=name)
    file.seek(0)
    if kind is Kind.other:
        raise Refused(Verdict.not_dicom if name.lower().endswith(_DICOM_ENDINGS) else Verdict.not_an_image)
    return kind
