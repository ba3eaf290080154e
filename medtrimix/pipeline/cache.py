"""Where results of tasks live: a folder named by the content that made it, complete only with its marker.

steps/<step>/<key>/     outputs, curves, record
    done.json           written last: what made this, and every file's size and digest
    checkpoint.pt       while a training runs
    store/journal.jsonl while an ingest runs
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medtrimix.config.digest import digest_of_file
from medtrimix.config.files import alone_in, read_json, write_json

DONE = "done.json"
CHECKPOINT = "checkpoint.pt"
_RESUMED_FROM = (CHECKPOINT, "store/journal.jsonl", "store/store.json")
"""Files that say that an unfinished attempt can be continued: the next one gets the folder as it is."""
_KEY_LENGTH = 32  # 128 bits: short enough for a folder, long enough never to collide


class StepCache:
    """The results of tasks, by key.

    Args:
        root: the folder `steps` of the workspace.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, step: str, *, key: str) -> Path:
        """Where the task writes, there or not."""
        return self._root / step / key[:_KEY_LENGTH]

    def is_done(self, step: str, *, key: str) -> bool:
        """Whether the marker stands and every file that it names is there with its size."""
        folder = self.folder(step, key=key)
        try:
            marker = read_json(folder / DONE)
        except (OSError, ValueError):
            return False
        return all(_size(folder / name) == facts["bytes"] for name, facts in marker["files"].items())

    def mark_done(self, step: str, *, key: str, provenance: dict[str, Any], seconds: float) -> None:
        """Writes the marker: from now on the task is never run again."""
        folder = self.folder(step, key=key)
        (folder / CHECKPOINT).unlink(missing_ok=True)
        files = {
            str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": digest_of_file(path)}
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".") and path.name != DONE
        }
        write_json(
            folder / DONE, {"step": step, "key": key, **provenance, "seconds": round(seconds, 3), "files": files}
        )

    def seconds(self, step: str, *, key: str) -> float:
        """How long the finished task took."""
        return float(read_json(self.folder(step, key=key) / DONE)["seconds"])

    @contextmanager
    def locked(self, step: str, *, key: str) -> Iterator[Path]:
        """Gives the task's folder to one process at a time, see `alone_in`."""
        folder = self.folder(step, key=key)
        with alone_in(folder):
            yield folder

    def clear(self, step: str, *, key: str) -> None:
        """Removes what an earlier, unfinished attempt left; if it can be continued, only the files half written."""
        folder = self.folder(step, key=key)
        damaged = (folder / DONE).is_file()  # it was done, and has lost something since
        if not damaged and any((folder / name).is_file() for name in _RESUMED_FROM):
            for path in folder.glob(".*.tmp"):
                path.unlink()
            return
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
