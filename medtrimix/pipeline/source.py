"""The content of a source, remembered by its listing so that a finished study is recognised without reading it."""

from __future__ import annotations

from pathlib import Path

from medtrimix.config.files import read_json, write_json
from medtrimix.errors import SourceError
from medtrimix.ingest.options import SERVICE, DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.source import content_digest, stat_fingerprint


def source_content(options: DataOptions, *, pseudonyms: Pseudonyms, workspace: Path) -> str:
    """Digest of every file's name and bytes.

    Paths, sizes, times of change and inodes are compared first, as git does: while they are the ones of an earlier
    look, that look's digest holds. Touching or moving a file costs one more reading and changes nothing.

    Raises:
        SourceError: it can't be listed or read.
    """
    if options.source.startswith(SERVICE):  # its listing, which is all there is to compare, is asked for once
        return content_digest(options, pseudonyms=pseudonyms)
    try:
        listing = stat_fingerprint(options, pseudonyms=pseudonyms)
        remembered = workspace / "sources" / f"{listing[:32]}.json"
        if remembered.is_file():
            return str(read_json(remembered)["content"])
        content = content_digest(options, pseudonyms=pseudonyms)
    except OSError as error:  # its message has the path
        raise SourceError(
            f"a folder or table of the source can't be read ({type(error).__name__}).",
            where="data.source",
            fix="Check the permissions.",
        ) from None
    remembered.parent.mkdir(parents=True, exist_ok=True)
    write_json(remembered, {"content": content})
    return content
