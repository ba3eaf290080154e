"""A source as a whole: its digest, and the stream of its samples and refusals.

The digests are taken before every run, also of a run that has nothing to do, so this module imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config.digest import digest_of_file
from medtrimix.ingest.listing import ARCHIVE, list_source, stamp_of
from medtrimix.ingest.options import SERVICE, DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.verdict import Verdict

if TYPE_CHECKING:
    from medtrimix.ingest.sample import Finished, HeadersRead, Outcome


def content_digest(options: DataOptions, *, pseudonyms: Pseudonyms) -> str:
    """Name of everything that ingest will read: paths below the root and bytes, of files and of tables; 64 hex digits.

    Instances of a service are named by their UIDs alone: an instance that changes gets another UID (PS3.3 C.12.1).
    Keyed with the site secret, so it gives no path and no content away, and changes when the pseudonyms do.
    """
    source = list_source(options)
    whole = hashlib.sha256()
    for file in source.files:
        whole.update(f"{file.relative}\0{file.verdict or _content(file.path)}\0".encode("utf-8", "surrogateescape"))
    for table in source.tables:
        whole.update(digest_of_file(table).encode())
    return pseudonyms.keyed_digest(f"content {whole.hexdigest()}")


def stat_fingerprint(options: DataOptions, *, pseudonyms: Pseudonyms) -> str:
    """Cheap stand-in for `content_digest`: 64 hex digits, equal only for the same files in the same place, unchanged.

    By paths, sizes, times and inodes, as in git's index.
    """
    source = list_source(options)
    whole = hashlib.sha256(f"{source.root}\0".encode("utf-8", "surrogateescape"))
    for file in source.files:
        whole.update(f"{file.relative}\0{file.verdict}\0{file.stamp}\0".encode("utf-8", "surrogateescape"))
    for table in source.tables:
        whole.update(f"{table.resolve()}\0{stamp_of(table.stat())}\0".encode("utf-8", "surrogateescape"))
    return pseudonyms.keyed_digest(f"stat {whole.hexdigest()}")


def ingest(
    options: DataOptions,
    *,
    pseudonyms: Pseudonyms,
    workers: int,
    finished: Finished | None = None,
    headers_read: HeadersRead | None = None,
) -> Iterator[Outcome]:
    """What becomes of every file of the source, in an order that the number of decoding processes does not change.

    Args:
        options: what to read, and how.
        pseudonyms: names for whatever identifies.
        workers: number of decoding processes.
        finished: what an earlier call has yielded and need not be read again; its source and options were the same.
        headers_read: called as the headers are read, before the first outcome; only for volumes.

    Raises:
        SourceError: the source or its labels can't be read or joined. Mistakes that need no pixels are found at once,
            the others when the last file has been read.
        StepFailed: a service went away in between.
        OtherUnits: `finished` can't be continued, because other files belong together now: one that could not be read
            for a moment made a volume fall apart, or a file came and went.
    """
    from medtrimix.ingest.sample import Finished

    finished = finished or Finished()
    if options.source.endswith(ARCHIVE):
        from medtrimix.ingest.formats.medmnist import ingest_medmnist

        outcomes = ingest_medmnist(Path(options.source), options=options, pseudonyms=pseudonyms)
        return islice(outcomes, len(finished.units), None)
    from medtrimix.ingest.stream import read_all

    return read_all(
        list_source(options),
        options=options,
        pseudonyms=pseudonyms,
        workers=workers,
        finished=finished,
        headers_read=headers_read,
    )


def _content(path: str) -> str:
    if path.startswith(SERVICE):
        return ""
    try:
        return digest_of_file(Path(path))
    except OSError:
        return Verdict.unreadable
