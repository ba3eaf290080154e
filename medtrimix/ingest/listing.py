"""Which files a source has, in one fixed order, without opening any of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medtrimix.errors import SourceError
from medtrimix.ingest.labels import Row, read_manifest
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.verdict import Verdict

MANIFEST = ".csv"
ARCHIVE = ".npz"


@dataclass(frozen=True)
class ListedFile:
    """A file of the source.

    Attributes:
        relative: path below the root, with `/`.
        path: where it lies.
        verdict: a refusal that its place alone earns, else None.
        size: bytes.
        modified_ns: time of the last change.
    """

    relative: str
    path: Path
    verdict: Verdict | None
    size: int
    modified_ns: int


@dataclass(frozen=True)
class Source:
    """The files below a root, the tables that describe them, and the rows of a manifest by relative path."""

    root: Path
    files: list[ListedFile]
    tables: tuple[Path, ...] = ()
    manifest: Mapping[str, Row] | None = None


def list_source(options: DataOptions) -> Source:
    """The files of a source, none of them opened except for a manifest.

    Raises:
        SourceError: there is no such source, or a manifest has mistakes.
    """
    path = Path(options.source)
    root = path.resolve() if path.is_dir() else path.resolve().parent
    if options.labels is not None and not path.is_dir():
        raise SourceError("labels are joined to a folder; this source brings its own.", where="data.labels")
    if path.is_dir():
        tables = () if options.labels is None else (Path(options.labels),)
        own = {table.resolve() for table in tables}
        source = Source(root, [file for file in list_folder(root) if file.path not in own], tables)
    elif not path.is_file():
        raise SourceError(
            "there is no such folder or file.", where="data.source", fix="Paths are relative to the current folder."
        )
    elif options.source.endswith(MANIFEST):
        rows = read_manifest(path, column=options.label)
        source = Source(root, list_named(root, list(rows)), (path,), rows)
    elif options.source.endswith(ARCHIVE):
        source = Source(root, list_named(root, [path.resolve().name]))
    else:
        raise SourceError("it is neither a folder, nor a manifest .csv, nor a MedMNIST .npz.", where="data.source")
    if not source.files:
        raise SourceError("there are no files in it.", where="data.source")
    return source


def list_folder(root: Path) -> list[ListedFile]:
    """Everything below `root` except folders, sorted by relative path; symbolic links are listed, never followed."""
    return sorted(_walk(os.fspath(root), ""), key=lambda file: file.relative)


def _walk(folder: str, prefix: str) -> Iterator[ListedFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                status = entry.stat(follow_symlinks=False)
                yield _listed(f"{prefix}{entry.name}", Path(entry.path), status)


def list_named(root: Path, names: list[str]) -> list[ListedFile]:
    """The files that a manifest names, relative to `root`, sorted; anything outside `root` is refused."""
    return sorted((_named(root, name) for name in names), key=lambda file: file.relative)


def _named(root: Path, name: str) -> ListedFile:
    path = root / name
    if (
        "\0" in name
        or Path(name).is_absolute()
        or ".." in Path(name).parts
        or not path.parent.resolve().is_relative_to(root)
    ):
        return ListedFile(name, path, Verdict.outside_root, 0, 0)
    try:
        status = path.lstat()
    except OSError:
        return ListedFile(name, path, Verdict.missing_file, 0, 0)
    return _listed(name, path, status)


def _listed(relative: str, path: Path, status: os.stat_result) -> ListedFile:
    if stat.S_ISLNK(status.st_mode):
        verdict: Verdict | None = Verdict.symlink
    elif stat.S_ISREG(status.st_mode):
        verdict = None
    else:
        verdict = Verdict.special_file
    return ListedFile(relative, path, verdict, status.st_size, status.st_mtime_ns)
