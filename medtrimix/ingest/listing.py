"""Which files a source has, in one fixed order, without opening any of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from medtrimix.errors import SourceError
from medtrimix.ingest.labels import Row, read_manifest
from medtrimix.ingest.options import SERVICE, DataOptions
from medtrimix.ingest.verdict import Verdict

MANIFESTS = (".csv", ".parquet")
ARCHIVE = ".npz"
NO_SOURCE = "it is neither a folder, nor a manifest .csv or .parquet, nor a MedMNIST .npz, nor a DICOMweb service."
"""Said of a file that is none of these."""


@dataclass(frozen=True)
class ListedFile:
    """A file of the source.

    Attributes:
        relative: path below the root, with `/`; in a service the UIDs of study, series and instance.
        path: where it lies, on disk or (after `SERVICE`) on a server.
        verdict: a refusal that its place alone earns, else None.
        stamp: what changes with the file; "" where there is none, and in a service.
    """

    relative: str
    path: str
    verdict: Verdict | None
    stamp: str = ""


@dataclass(frozen=True)
class Source:
    """The files of a source.

    Attributes:
        root: folder that they lie below, None for a service.
        files: sorted by `relative`.
        tables: files that describe them.
        manifest: rows of a manifest by `relative`.
    """

    root: Path | None
    files: list[ListedFile]
    tables: tuple[Path, ...] = ()
    manifest: Mapping[str, Row] | None = None


def list_source(options: DataOptions) -> Source:
    """The files of a source, none of them opened except for a manifest.

    Raises:
        SourceError: there is no such source, it can't be reached, or a manifest has mistakes.
    """
    path = Path(options.source)
    tables = () if options.labels is None else (Path(options.labels),)
    if options.source.startswith(SERVICE):
        source = Source(None, list_service(options.source), tables)
    elif is_folder(path):
        root = path.resolve()
        own = {os.fspath(table.resolve()) for table in tables}
        source = Source(root, [file for file in list_folder(root) if file.path not in own], tables)
    elif tables and path.is_file():
        raise SourceError(
            "labels are joined to a folder or a service; this source brings its own.", where="data.labels"
        )
    else:
        source = _list_file(path, options=options)
    if not source.files:
        raise SourceError("there are no files in it.", where="data.source")
    return source


def is_folder(path: Path) -> bool:
    """Whether a source is a folder.

    Raises:
        SourceError: nobody can say.
    """
    try:
        return path.is_dir()
    except OSError:  # its message has the path
        pass
    raise SourceError("it can't be read.", where="data.source", fix="Check the path and the permissions.")


def would_read(folder: Path, *, options: DataOptions) -> bool:
    """Whether `folder` lies in the source, or in a folder that its manifest names.

    Raises:
        SourceError: as `list_source`.
    """
    path, own = Path(options.source), folder.resolve()
    if is_folder(path):
        return own.is_relative_to(path.resolve())
    root = path.resolve().parent
    if not own.is_relative_to(root) or path.suffix not in MANIFESTS or not path.is_file():
        return False
    above = {one.relative_to(root).as_posix() for one in (own, *own.parents) if one.is_relative_to(root)}
    return not above.isdisjoint(read_manifest(path, column=options.label))


def _list_file(path: Path, *, options: DataOptions) -> Source:
    """What a manifest names, or an archive alone."""
    root = path.resolve().parent
    if not path.is_file():
        raise SourceError(
            "there is no such folder or file.", where="data.source", fix="Paths are relative to the current folder."
        )
    if path.suffix in MANIFESTS:
        rows = read_manifest(path, column=options.label)
        return Source(root, list_named(root, list(rows)), (path,), rows)
    if path.suffix == ARCHIVE:
        return Source(root, list_named(root, [path.resolve().name]))
    raise SourceError(NO_SOURCE, where="data.source")


def list_service(source: str) -> list[ListedFile]:
    """Every instance of a DICOMweb service that passes the filters in its address, sorted by UIDs."""
    from medtrimix.ingest.pacs.dicomweb import instances
    from medtrimix.ingest.pacs.service import parse_service

    service = parse_service(source)
    names = sorted("/".join(instance) for instance in instances(service))
    return [ListedFile(name, f"{SERVICE}{service.url}#{name}", None) for name in names]


def list_folder(root: Path) -> list[ListedFile]:
    """Everything below `root` except folders, sorted by relative path; symbolic links are listed, never followed.

    A folder that can't be opened is listed itself, as unreadable.

    Raises:
        SourceError: `root` itself can't be opened.
    """
    files = _below(os.fspath(root), name="")
    if any(file.relative == "" for file in files):
        raise SourceError("the folder can't be read.", where="data.source", fix="Check the permissions.")
    return sorted(files, key=lambda file: file.relative)


def _below(path: str, *, name: str) -> list[ListedFile]:
    """The files below a folder; `name` is its path relative to the root."""
    files: list[ListedFile] = []
    folders = [(name, path)]
    while folders:  # a list of its own, since a tree may be deeper than Python's stack
        name, path = folders.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    relative = f"{name}/{entry.name}" if name else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((relative, entry.path))
                    else:
                        files.append(_found(relative, entry.path))
        except OSError:
            files.append(ListedFile(name, path, Verdict.unreadable))
    return files


def list_named(root: Path, names: list[str]) -> list[ListedFile]:
    """The files that a manifest names, relative to `root`, sorted, and all files in a folder that it names.

    Anything outside `root` is refused.
    """
    files: dict[str, ListedFile] = {}
    for name in names:
        file = _spelled(root, name)
        folder = file.verdict is Verdict.special_file and os.path.isdir(file.path)  # noqa: PTH112 - a text, as everywhere here
        for one in _below(file.path, name=name.rstrip("/")) if folder else [file]:
            files[one.relative] = one
    return sorted(files.values(), key=lambda file: file.relative)


def _spelled(root: Path, name: str) -> ListedFile:
    """A file by its name, or by another spelling of the same characters: macOS writes "ö" as two."""
    file = _named(root, name)
    if file.verdict is not Verdict.missing_file or name.isascii():
        return file
    others = (_named(root, normalize(form, name)) for form in ("NFC", "NFD"))
    return next((other for other in others if other.verdict is not Verdict.missing_file), file)


def _named(root: Path, name: str) -> ListedFile:
    path = root / name
    if (
        "\0" in name
        or Path(name).is_absolute()
        or ".." in Path(name).parts
        or not path.parent.resolve().is_relative_to(root)
    ):
        return ListedFile(name, os.fspath(path), Verdict.outside_root)
    return _found(name, os.fspath(path))


def _found(relative: str, path: str) -> ListedFile:
    try:
        status = os.lstat(path)
    except OSError:
        return ListedFile(relative, path, Verdict.missing_file)
    if stat.S_ISLNK(status.st_mode):
        verdict: Verdict | None = Verdict.symlink
    elif stat.S_ISREG(status.st_mode):
        verdict = None
    else:
        verdict = Verdict.special_file
    return ListedFile(relative, path, verdict, stamp_of(status))


def stamp_of(status: os.stat_result) -> str:
    """Size, times of change and inode: the time that archives restore is not enough to know a file again."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
