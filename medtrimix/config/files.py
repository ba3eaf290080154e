"""Writing files so that a kill at any moment leaves the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medtrimix.errors import StepFailed


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on leaving it is synced to disk and takes `path`'s place at once."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)  # the rename itself must survive a power cut


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Gives a folder, made if need be, to one process at a time; the lock goes with the process, however it dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.2)
        yield


def sync_folder(path: Path) -> None:
    """Puts on disk which files a folder has."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def telling_full_disk() -> Iterator[None]:
    """Turns the error of a full disk into one that says what to do.

    Raises:
        StepFailed: the disk, or the user's quota on it, is full.
    """
    try:
        yield
    except OSError as error:  # pyarrow's own is one too
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
    else:
        return
    raise StepFailed("The disk is full.", fix="Make room and give the same command again: it goes on from here.")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically, keys in the order given."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
