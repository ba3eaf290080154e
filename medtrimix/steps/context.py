"""What a running step is given besides its configuration and inputs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medtrimix.config.files import read_json, write_json

CURVES = "curves.jsonl"
RECORD = "record.json"
PROGRESS = "progress.json"
WARNING = "warning.json"
_PROGRESS_EVERY_S = 0.3


@dataclass
class Recorder:
    """Writes what a step wants people to see into its own folder; who publishes it is not the step's concern.

    curves.jsonl    one line per training step, appended as it goes, cut back to the checkpoint on resume
    progress.json   how far the step is, for the bar
    warning.json    what people must know of a step that goes on; it stays, marked when it no longer holds at the end
    record.json     parameters and metrics, written once at the end
    """

    folder: Path
    params: dict[str, str | int | float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    _pending: list[str] = field(default_factory=list)
    _progress_at: float = 0.0

    def rewind(self, step: int) -> None:
        """Forgets the curve from `step` on."""
        self._pending.clear()
        path = self.folder / CURVES
        if path.is_file():
            kept = [line for line in path.read_text().splitlines() if _step_of(line) < step]
            path.write_text("".join(line + "\n" for line in kept))

    def curve(self, step: int, *, values: Mapping[str, float]) -> None:
        """One point of every curve."""
        self._pending.append(json.dumps({"step": step, **values, "time": round(time.time(), 3)}))

    def progress(self, done: int, total: int, *, unit: str) -> None:
        """How far the step is; cheap enough to call at every turn."""
        now = time.monotonic()
        if now - self._progress_at < _PROGRESS_EVERY_S and done < total:
            return
        self._progress_at = now
        self.flush()
        temporary = self.folder / f".{PROGRESS}"  # not synced to disk: nobody misses it after a power cut
        temporary.write_text(json.dumps({"done": done, "total": total, "unit": unit}))
        temporary.replace(self.folder / PROGRESS)

    def warn(self, message: str) -> None:
        """Leaves a warning; only the first one is kept, which a resumed step finds again."""
        if not self.warning:
            first = read_warning(self.folder, passed=True) or message  # a resumed step passes by the same place again
            write_json(self.folder / WARNING, {"message": first})

    def pass_warning(self) -> None:
        """Marks a warning, if there is one, as past: it held once, and does not at the end."""
        if self.warning:
            write_json(self.folder / WARNING, {"message": self.warning, "passed": True})

    @property
    def warning(self) -> str:
        """The warning that stands, "" without one."""
        return read_warning(self.folder)

    def flush(self) -> None:
        """Puts the pending points of the curves on disk."""
        if self._pending:
            with (self.folder / CURVES).open("a") as file:
                file.write("".join(line + "\n" for line in self._pending))
            self._pending.clear()

    def close(self) -> None:
        """Writes the record; the curves are complete from here on."""
        self.flush()
        write_json(self.folder / RECORD, {"params": self.params, "metrics": self.metrics})
        (self.folder / PROGRESS).unlink(missing_ok=True)


def read_warning(folder: Path, *, passed: bool = False) -> str:
    """The warning of a step that stands, or one that has passed; "" without such a one."""
    path = folder / WARNING
    if not path.is_file():
        return ""
    facts = read_json(path)
    return str(facts["message"]) if facts.get("passed", False) == passed else ""


def _step_of(line: str) -> int:
    """The step of a line of the curves; a line cut by a kill counts as never written."""
    try:
        point: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return 1 << 62
    return int(point["step"])


@dataclass(frozen=True)
class Context:
    """What a running step may use.

    Attributes:
        recorder: for parameters, metrics, curves and progress.
        should_stop: whether to save and raise `Interrupted` at the next safe point.
        workers: processes that the step may start of its own.
        checkpoint_every_s: seconds between checkpoints of a long training.
    """

    recorder: Recorder
    should_stop: Callable[[], bool]
    workers: int
    checkpoint_every_s: float
