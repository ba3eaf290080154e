"""A folder that holds one ingest of one source, outside any study: `medtrimix ingest`.

store/            the array store
manifest.parquet  its images, one row each; manifest.csv: the same
verdicts.json     number of files by verdict; refusals.csv: each refused file
quality.html      the page to look at
.ingest/          whose ingest this is, and the lock
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from medtrimix.config.digest import digest_of
from medtrimix.config.files import read_json, telling_full_disk, write_json
from medtrimix.errors import InputError, SourceError
from medtrimix.ingest.listing import would_read
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms, load_or_create_secret
from medtrimix.pipeline.code import digest_of_code
from medtrimix.pipeline.source import source_content
from medtrimix.steps import ingest
from medtrimix.steps.ingest import Watch

_STATE = ".ingest"
_MANIFEST = ("manifest.parquet", "manifest.csv")


@dataclass(frozen=True)
class Claim:
    """What an ingest is made of, as digests; two ingests with equal claims are the same."""

    source: str
    options: str
    secret: str
    code: str


_DIFFERENCES = {
    "secret": "another site secret",  # first: digests of sources are keyed with it
    "source": "another source, or files have changed since",
    "options": "other options",
    "code": "another version of medtrimix",
}


@dataclass(frozen=True)
class IngestFolder:
    """A folder that is locked and belongs to this ingest.

    Attributes:
        path: the folder.
        options: what to read, and how.
        was_begun: an earlier call has begun it.
    """

    path: Path
    options: DataOptions
    was_begun: bool

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        from medtrimix.data.store import is_finished

        parts = [self.path / name for name in (f"{_STATE}/done", *_MANIFEST, "verdicts.json", "refusals.csv")]
        return is_finished(self.store) and self.page.is_file() and all(part.is_file() for part in parts)

    @property
    def store(self) -> Path:
        """The array store."""
        return ingest.store_folder(self.path)

    @property
    def verdicts(self) -> dict[str, int]:
        """Number of files by verdict."""
        return dict(read_json(ingest.verdicts_file(self.path)))

    @property
    def page(self) -> Path:
        """The quality page."""
        return self.path / "quality.html"

    def fill(self, *, workers: int, watch: Watch, write_page: Callable[[IngestFolder], None]) -> None:
        """Reads what is not read yet, then writes manifest and page.

        Raises:
            SourceError: see `steps.ingest.fill`.
            Interrupted: `watch` wanted it.
            StepFailed: the disk is full.
        """
        from medtrimix.data.manifest import write_manifest
        from medtrimix.data.store import ArrayStore

        ingest.fill(self.path, options=self.options, workers=workers, watch=watch)
        with telling_full_disk():
            store = ArrayStore.open(self.store)
            parquet, table = (self.path / name for name in _MANIFEST)
            write_manifest(store, parquet=parquet, table=table)
            write_page(self)
            (self.path / _STATE / "done").touch()


@contextmanager
def ingest_folder(path: Path, *, options: DataOptions) -> Iterator[IngestFolder]:
    """Claims `path` for the ingest of `options` and gives it to one process at a time.

    When the source turns out to be unusable, at once or in the block, nothing of this call is left behind.

    Raises:
        InputError: the folder is something else's, in use, inside the source, or can't be written.
        SourceError: the source can't be listed or read.
    """
    if would_read(path, options=options):
        raise InputError("The folder for results lies in the source.", where=str(path), fix="Give another --out.")
    with telling_full_disk():
        new = _made(path)
        with _locked(path):
            begun_before = _claim_file(path).is_file()
            try:
                yield _claimed(path, options=options)
            except SourceError:
                if not begun_before:
                    _remove(path, whole=new)
                raise


def _made(path: Path) -> bool:
    """Whether there was no such folder; one that holds an ingest, or nothing, is taken."""
    try:
        new = not path.exists()
        if path.is_dir() and any(path.iterdir()) and not (path / _STATE).is_dir():
            raise InputError("The folder is not empty.", where=str(path), fix="Give --out the name of a new one.")
        (path / _STATE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        reason = error.strerror
    else:
        if os.access(path, os.W_OK | os.X_OK):
            return new
        reason = os.strerror(errno.EACCES)
    raise InputError(f"The folder can't be written: {reason}.", where=str(path), fix="Give another --out.")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock goes with the process, however it dies."""
    with (path / _STATE / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("Another process is writing to the folder.", where=str(path)) from None
        yield


def _claim_file(path: Path) -> Path:
    return path / _STATE / "claim.json"


def _claimed(path: Path, *, options: DataOptions) -> IngestFolder:
    claim = asdict(_claim(options, memory=path / _STATE))
    file = _claim_file(path)
    was_begun = file.is_file()
    before = read_json(file) if was_begun else claim
    different = next((text for name, text in _DIFFERENCES.items() if before[name] != claim[name]), None)
    if different is not None:
        raise InputError(
            f"The folder holds another ingest: {different}.",
            where=str(path),
            fix="Give --out the name of a new one, or remove this one.",
        )
    write_json(file, claim)
    return IngestFolder(path, options, was_begun=was_begun)


def _claim(options: DataOptions, *, memory: Path) -> Claim:
    pseudonyms = Pseudonyms(load_or_create_secret())
    neutral = options.model_copy(update={"source": "external", "labels": None})
    return Claim(
        source=source_content(options, pseudonyms=pseudonyms, workspace=memory),
        options=digest_of(neutral.model_dump(mode="json")),
        secret=pseudonyms.key_id,
        code=digest_of_code("medtrimix.steps.ingest"),
    )


def _remove(path: Path, *, whole: bool) -> None:
    """What this module has written, none of which was finished; the folder itself if it was made for this."""
    if whole:
        shutil.rmtree(path)
        return
    for name in (_STATE, ingest.store_folder(path).name):
        shutil.rmtree(path / name, ignore_errors=True)
