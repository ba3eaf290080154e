"""A source as a whole: its digest, and the stream of its samples and refusals.

The digests are taken before every run, also of a run that has nothing to do, so this module imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config.digest import digest_of_file
from medtrimix.ingest.listing import ARCHIVE, list_source
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.verdict import Verdict

if TYPE_CHECKING:
    from medtrimix.ingest.sample import Refusal, Sample


def content_digest(options: DataOptions, *, pseudonyms: Pseudonyms) -> str:
    """Name of everything that ingest will read: paths below the root and bytes, of files and of tables; 64 hex digits.

    Keyed with the site secret, so it gives no path and no content away, and changes when the pseudonyms do.
    """
    source = list_source(options)
    whole = hashlib.sha256()
    for file in source.files:
        whole.update(
            f"{file.relative}\0{file.verdict or _bytes_digest(file.path)}\0".encode("utf-8", "surrogateescape")
        )
    for table in source.tables:
        whole.update(digest_of_file(table).encode())
    return pseudonyms.keyed_digest(f"content {whole.hexdigest()}")


def stat_fingerprint(options: DataOptions, *, pseudonyms: Pseudonyms) -> str:
    """Cheap stand-in for `content_digest` by sizes and times, as in git's index: 64 hex digits, equal if unchanged."""
    source = list_source(options)
    whole = hashlib.sha256()
    for file in source.files:
        line = f"{file.relative}\0{file.verdict}\0{file.size}\0{file.modified_ns}\0"
        whole.update(line.encode("utf-8", "surrogateescape"))
    for table in source.tables:
        status = table.stat()
        whole.update(f"{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return pseudonyms.keyed_digest(f"stat {whole.hexdigest()}")


def ingest(options: DataOptions, *, pseudonyms: Pseudonyms, workers: int) -> Iterator[Sample | Refusal]:
    """Every file of the source, in the order of their paths, whatever the number of decoding processes.

    Raises:
        SourceError: the source or its labels can't be read or joined. Mistakes that need no pixels are found at once,
            the others when the last file has been read.
    """
    if options.source.endswith(ARCHIVE):
        from medtrimix.ingest.medmnist import ingest_medmnist

        return ingest_medmnist(Path(options.source), options=options, pseudonyms=pseudonyms)
    from medtrimix.ingest.stream import read_all

    return read_all(list_source(options), options=options, pseudonyms=pseudonyms, workers=workers)


def _bytes_digest(path: Path) -> str:
    try:
        return digest_of_file(path)
    except OSError:
        return Verdict.unreadable
