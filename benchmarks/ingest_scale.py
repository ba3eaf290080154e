"""Very many files and very long stores: memory of the parent, a kill in the middle, and how fast a store opens.

    python benchmarks/ingest_scale.py                         100,000 files, 1,000,000 rows; about fifteen minutes
    python benchmarks/ingest_scale.py --files 5000 --rows 50000     to see that it runs

The command is killed (SIGKILL) when half of the files are journalled, and given again. Which files the second call has
read is told by the time of their last access, which is set back in between. Prints a table; the exit code is 1 if a bar
is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np
from swarm import write_swarm

from medtrimix.config.files import read_json
from medtrimix.data.store import ArrayStore
from medtrimix.data.store_writer import JOURNAL, StoreWriter
from medtrimix.ingest.sample import Record

_POLL_S = 0.05
_OPEN = """
import sys, time
before = time.perf_counter()
from pathlib import Path
import numpy as np
from medtrimix.data.store import ArrayStore
store = ArrayStore.open(Path(sys.argv[1]))
rows = np.arange(len(store))
store.classes, store.targets(rows), store.images(rows[::100_000])
print(time.perf_counter() - before, Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
"""A fresh process opens the store and asks what training asks; imports count."""


@dataclass(frozen=True)
class Result:
    """One line of the table; `bar` is what must not be exceeded."""

    what: str
    value: float
    unit: str
    bar: float | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="folder for a few gigabytes; the system's own by default")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=words.scratch) as scratch:
        results = [
            *interrupted_ingest(Path(scratch), files=words.files, workers=words.workers),
            *opening(Path(scratch) / "rows", rows=words.rows),
        ]
    print("| measured | value | bar |\n|---|--:|--:|")
    for result in results:
        bar = "" if result.bar is None else f"{result.bar:,g}"
        value = f"{result.value:,.1f}" if result.unit == "s" else f"{result.value:,.0f}"
        print(f"| {result.what} | {value} {result.unit} | {bar} |")
    return int(any(result.bar is not None and result.value > result.bar for result in results))


def interrupted_ingest(scratch: Path, *, files: int, workers: int) -> list[Result]:
    """Ingests a swarm, killed half-way and given again."""
    source, out = scratch / "source", scratch / "out"
    write_swarm(source, files=files)
    os.environ["MEDTRIMIX_SECRET_FILE"] = str(scratch / "secret")
    command = [sys.executable, "-m", "medtrimix", "ingest", source, "--out", out, "--workers", str(workers)]

    journal = out / "store" / JOURNAL
    first = _run(command, kill_when=lambda: _lines(journal) > files // 2)
    kept = _lines(journal) - 1  # the first line is about the store itself
    everything = sorted(path for path in source.rglob("*") if path.is_file())
    for path in everything:
        os.utime(path, ns=(0, path.stat().st_mtime_ns))
    second = _run(command)
    read_again = sum(path.stat().st_atime_ns > 0 for path in everything)

    store = ArrayStore.open(out / "store")
    assert len(store) == files == store.columns("sample_id")["sample_id"].nunique()
    assert read_json(out / "verdicts.json") == {"accepted": files}
    return [
        Result("files", files, ""),
        Result("parent's peak memory, until killed", first.peak_mb, "MB", 600),
        Result("parent's peak memory, second call", second.peak_mb, "MB", 600),
        Result("files journalled before the kill", kept, ""),
        Result("files read by the second call", read_again, "", files - kept if read_again else None),
        Result("seconds until killed (with the digest of the source)", first.seconds, "s"),
        Result("seconds of the second call (with manifest and page)", second.seconds, "s"),
    ]


@dataclass(frozen=True)
class _Ran:
    seconds: float
    peak_mb: float


def _run(command: list[object], *, kill_when: Callable[[], bool] = lambda: False) -> _Ran:
    """Time and peak memory of the command's own process, its workers left out."""
    before = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    peak_mb = 0.0
    killed = False
    while process.poll() is None:
        peak_mb = max(peak_mb, _peak_mb(process.pid))
        if kill_when():
            process.kill()
            killed = True
        time.sleep(_POLL_S)
    assert killed or process.returncode == 0, process.returncode
    return _Ran(time.perf_counter() - before, peak_mb)


def _peak_mb(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0.0)


def _lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


def opening(folder: Path, *, rows: int) -> list[Result]:
    """Opens a store of `rows` images of one pixel, whose index is like a real one."""
    names = np.random.default_rng(0).bytes(rows * 32).hex()
    image = np.zeros((1, 1, 1), np.uint8)
    with StoreWriter(folder, image_shape=image.shape, dtype="uint8", columns=get_type_hints(Record)) as store:
        for number in range(rows):
            digest = names[64 * number : 64 * number + 64]
            patient = names[64 * (number // 3) : 64 * (number // 3) + 32]
            record = Record(
                sample_id=digest[:32],
                patient_id=patient,
                study_id=patient[::-1],
                series_id=digest[32:],
                label=("normal", "opacity", "")[number % 3],
                split=("train", "val", "test")[number % 3],
                pixel_sha256=digest,
                modality="DX",
                encoding="jpeg2000",
                rows=2048,
                columns=2500 + number % 100,
                spacing_mm=0.139,
                column_spacing_mm=0.139,
                spacing_origin="patient",
                device=patient[:8],
            )
            store.add([image], rows=[asdict(record)], note={"accepted": 1, "refusals": []})
    done = subprocess.run([sys.executable, "-c", _OPEN, folder], capture_output=True, text=True, check=True)
    seconds, kilobytes = map(float, done.stdout.split())
    return [
        Result("rows of a store", rows, ""),
        Result("opening it, with classes, targets and ten images", seconds, "s", 2),
        Result("memory of the process that opened it", kilobytes / 1024, "MB", 300),
    ]


if __name__ == "__main__":
    sys.exit(main())
