"""Reading speed beside other readers, on one core, and the store beside MONAI's cache.

    OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 python benchmarks/ingest.py

takes about ten minutes and writes benchmarks/results/ingest.md; with --quick everything is small and nothing written.

Readers take turns on the same files in one process that is bound to one core, so that a machine that gets slower
meanwhile gets slower for all of them; medians and their ratios count.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import made
import numpy as np
from cached_batches import cache_speeds
from competitors import OURS, OURS_STORED, Reader, nifti_readers, picture_readers, series_readers
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.source import ingest

RESULTS = Path(__file__).parent / "results" / "ingest.md"
PACKAGES = ("pydicom", "pylibjpeg-openjpeg", "pyjpegls", "pylibjpeg-rle", "monai", "itk", "SimpleITK", "nibabel",
            "numpy", "torch")  # fmt: skip
SYNTAXES = {
    "raw": ExplicitVRLittleEndian, "JPEG 2000": JPEG2000Lossless, "JPEG-LS": JPEGLSLossless, "RLE": RLELossless,
}  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """How large everything is, and how often it is read."""

    side: int
    slices: int
    slice_side: int
    nifti: tuple[int, int, int]
    images: int
    files: int
    rounds: int


FULL = Sizes(side=2048, slices=200, slice_side=512, nifti=(256, 256, 128), images=2000, files=200, rounds=9)
QUICK = Sizes(side=512, slices=12, slice_side=128, nifti=(64, 64, 32), images=64, files=24, rounds=3)


@dataclass(frozen=True)
class Bar:
    """`ours` is at least so many times as fast as the fastest reader whose name begins with `other`."""

    ours: str
    other: str
    at_least: float


@dataclass(frozen=True)
class Speeds:
    """Units per second of each reader on one case."""

    case: str
    per_second: dict[str, float]
    bars: tuple[Bar, ...] = ()

    def lines(self) -> Iterator[tuple[bool, str]]:
        """Whether each bar is met, and how."""
        for bar in self.bars:
            rival = max(speed for name, speed in self.per_second.items() if name.startswith(bar.other))
            ratio = self.per_second[bar.ours] / rival
            met = ratio >= bar.at_least
            wanted = f"{bar.at_least}{'' if met else ' MISSED'}"
            yield met, f"| {self.case} | {bar.ours} | {bar.other} | {ratio:.2f} | {wanted} |"


PICTURE_BARS = Bar(OURS, "pydicom, shown", 0.9), Bar(OURS_STORED, "pydicom, stored values", 0.9)
MONAI_BAR = Bar(OURS, "MONAI", 1.5)


def main() -> int:
    """The exit code: 1 if a bar was missed at full size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=17)
    chosen = parser.parse_args()
    sizes = QUICK if chosen.quick else FULL
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.sched_setaffinity(0, {min(cores)})
        results = [*_cases(folder, sizes, rng=np.random.default_rng(chosen.seed))]
        speeds = cache_speeds(folder / "cache", images=sizes.images)
        results.append(Speeds("batches of 32 from disk", speeds, (Bar(OURS, "MONAI", 15),)))
        os.sched_setaffinity(0, cores)
        results.append(_two_workers(folder / "many", files=sizes.files, rng=np.random.default_rng(chosen.seed)))
    text = _page(results, sizes=sizes, seed=chosen.seed)
    print(text)
    if chosen.quick:
        return 0
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)
    return int("MISSED" in text)


def _cases(folder: Path, sizes: Sizes, *, rng: np.random.Generator) -> Iterator[Speeds]:
    stored = made.radiograph(side=sizes.side, rng=rng)
    for name, syntax in SYNTAXES.items():
        path = folder / f"{name}.dcm"
        path.write_bytes(made.dicom(stored, name=name, syntax=syntax, WindowCenter=30000, WindowWidth=50000))
        bars = (*PICTURE_BARS, MONAI_BAR) if name == "raw" else PICTURE_BARS
        title = f"{name}, {sizes.side} x {sizes.side}, 16 bits"
        yield Speeds(title, _speeds(path, picture_readers(path), rounds=sizes.rounds), bars)
    series = folder / "series"
    series.mkdir()
    files = made.ct_series(slices=sizes.slices, side=sizes.slice_side, name="CT", rng=rng)
    for place, data in enumerate(files):
        (series / f"{place * 7919 % sizes.slices:04d}.dcm").write_bytes(data)  # names are in no useful order
    title = f"CT of {sizes.slices} slices, {sizes.slice_side} x {sizes.slice_side}"
    rounds = max(3, sizes.rounds // 2)
    bars = (Bar(OURS, "pydicom", 0.9), MONAI_BAR)
    yield Speeds(title, _speeds(series, series_readers(), rounds=rounds), bars)
    path = folder / "volume.nii.gz"
    path.write_bytes(made.nifti(*sizes.nifti, rng=rng))
    title = f"NIfTI, zipped, {' x '.join(map(str, sizes.nifti))}, int16"
    yield Speeds(title, _speeds(path, nifti_readers(), rounds=rounds))


def _speeds(path: Path, readers: dict[str, Reader], *, rounds: int) -> dict[str, float]:
    """Per second, medians; the first round warms caches and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    sizes = set()
    for _ in range(rounds + 1):
        for name, read in readers.items():
            begin = time.perf_counter()
            array = read(path)
            seconds[name].append(time.perf_counter() - begin)
            sizes.add(int(np.prod(array.shape)))
    assert len(sizes) == 1, "they did not read the same"
    return {name: 1 / statistics.median(times[1:]) for name, times in seconds.items()}


def _two_workers(folder: Path, *, files: int, rng: np.random.Generator) -> Speeds:
    """The whole ingest of a folder by two processes and by one, which take turns."""
    folder.mkdir()
    stored = made.radiograph(side=1024, rng=rng)
    for number in range(files):
        syntax = list(SYNTAXES.values())[number % len(SYNTAXES)]
        stored[0, 0] = number  # no copies of one another
        (folder / f"{number}.dcm").write_bytes(made.dicom(stored, name=f"many {number}", syntax=syntax))
    options = DataOptions(source=str(folder))
    run: dict[str, Callable[[], int]] = {
        OURS: lambda: _accepted(options, workers=2),
        "one process": lambda: _accepted(options, workers=1),
    }
    seconds: dict[str, list[float]] = {name: [] for name in run}
    for _ in range(3):
        for name, read in run.items():
            begin = time.perf_counter()
            assert read() == files
            seconds[name].append(time.perf_counter() - begin)
    per_second = {name: files / statistics.median(times) for name, times in seconds.items()}
    return Speeds(f"ingest of {files} files by two processes", per_second, (Bar(OURS, "one process", 1.8),))


def _accepted(options: DataOptions, *, workers: int) -> int:
    return sum(outcome.accepted_files for outcome in ingest(options, pseudonyms=Pseudonyms(bytes(32)), workers=workers))


def _page(results: list[Speeds], *, sizes: Sizes, seed: int) -> str:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "# Speed of ingest",
        "",
        f"Written by `python benchmarks/ingest.py --seed {seed}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}.",
        f"Medians of {sizes.rounds} turns on one core; what each reader gives is told in `benchmarks/competitors.py`.",
        "",
        f"Machine: {machine}. Packages: {versions}.",
        "",
        "| case | | is faster than | by | at least |",
        "|---|---|---|--:|--:|",
        *(line for result in results for _, line in result.lines()),
        "",
        "| case | reader | per second |",
        "|---|---|--:|",
        *(
            f"| {result.case} | {name} | {speed:.4g} |"
            for result in results
            for name, speed in result.per_second.items()
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
