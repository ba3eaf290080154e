"""Speed of pretraining and of its augmentation, and how its memory grows with the number of images.

    OMP_NUM_THREADS=1 nice -n -5 python benchmarks/throughput.py      about a quarter of an hour
    python benchmarks/throughput.py --quick                            a few minutes, everything small, nothing written

Writes benchmarks/results/throughput.md and throughput.svg. kornia is no dependency: `pip install kornia` brings its
column, which is left out with a message where it is absent.

All that is compared takes turns in one process, on one core and with one thread, as a worker of a pipeline has: the
chains of augmentation batch by batch, a training and its network alone step by step. So a machine that gets slower
meanwhile gets slower for all. Medians and their ratios count. Views are counted per second of processor time (per
core), images of a training per second by the clock.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shlex
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
import torch
from pretraining import (
    Shape,
    Times,
    Training,
    Turns,
    checkpoint_seconds,
    constant_step,
    make_inputs,
    peak_memory,
    pretraining,
)
from view_chains import KORNIA, MONAI, MONAI_BARE, OURS, chains

from medtrimix.pipeline.worker import keep_freed_memory

RESULTS = Path(__file__).parent / "results" / "throughput.md"
PACKAGES = ("torch", "monai", "kornia", "lightning", "numpy")
LOOP_BAR = 0.95
KORNIA_BAR = 5.0
MEMORY_BAR = 1.05


@dataclass(frozen=True)
class Case:
    """One size of image.

    Attributes:
        views: images that are augmented at a time, and how often MONAI is made to do a part of them.
        monai_views: how many of them MONAI gets, which is slow.
        monai_bar: how many times as fast as MONAI augmentation has to be; None: no bar.
        steps: of a training for each round.
    """

    title: str
    shape: Shape
    views: int
    monai_views: int
    monai_bar: float | None
    steps: int


CASES = (
    Case("28 x 28", Shape((1, 28, 28), "radiograph", 256), 256, 64, 150, 5),
    Case("64 x 64", Shape((1, 64, 64), "radiograph", 128), 128, 64, 40, 5),
    Case("128 x 128", Shape((1, 128, 128), "radiograph", 64), 64, 32, None, 3),
    Case("224 x 224", Shape((1, 224, 224), "radiograph", 32), 32, 32, 8, 4),
    Case("64 x 64 x 64", Shape((1, 64, 64, 64), "ct", 8), 8, 8, 5, 5),
)
MEMORY = Shape((1, 28, 28), "radiograph", 64)
ROWS = (4_708, 1_000_000)
"""As many as PneumoniaMNIST has to train on, and very many."""


@dataclass(frozen=True)
class Views:
    """Views per second and core of each library."""

    case: Case
    per_second: dict[str, float]

    def ratio(self, other: str) -> float:
        """How many times as fast ours is."""
        return self.per_second[OURS] / self.per_second[other]


@dataclass(frozen=True)
class Trained:
    """A training's steps, and those of its network alone."""

    case: Case
    training: Training
    real: Times
    constant: Times

    @property
    def ratio(self) -> float:
        """Part of the network's own speed that the training reaches."""
        return statistics.median(self.constant.wall) / statistics.median(self.real.wall)

    @property
    def cpu_ratio(self) -> float:
        """The same in processor time."""
        return statistics.median(self.constant.cpu) / statistics.median(self.real.cpu)

    def images_per_second(self, times: Times) -> float:
        """Rows of the store, each of which is seen in two views."""
        return self.case.shape.batch / statistics.median(times.wall)


def main() -> int:
    """The exit code: 1 if a bar was missed at full size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bf16", action="store_true", help="pictures in bf16 too (volumes run in float32)")
    parser.add_argument("--beside", default="", help="what else the machine was doing, for the page")
    chosen = parser.parse_args()
    rounds = 1 if chosen.quick else chosen.rounds
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    keep_freed_memory()  # as in a worker of a pipeline, for all that is compared
    warnings.simplefilter("ignore")  # the libraries' own
    with tempfile.TemporaryDirectory() as scratch:
        views = [view_speeds(case, turns=3 * rounds) for case in CASES]
        trained = [
            trained_in_turns(case, Training(method, precision, case.steps * rounds), folder=Path(scratch))
            for case in CASES
            for method, precision in _TRAININGS
            if precision == "fp32" or (chosen.bf16 and len(case.shape.image) == 3)
        ]
        saving = checkpoint_seconds(Path(scratch))
        rows = (ROWS[0], 50_000) if chosen.quick else ROWS
        steps = 5 if chosen.quick else 40
        peaks = {n: peak_memory(Path(scratch) / str(n), shape=MEMORY, rows=n, steps=steps) for n in rows}
    head = _head(rounds, beside=chosen.beside)
    page = "\n".join([*head, *_views(views), *_trainings(trained, saving=saving), *_memory(peaks, steps=steps)]) + "\n"
    print(page)
    if chosen.quick:
        return 0
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(page)
    draw_figure(views, trained, path=RESULTS.with_suffix(".svg"))
    return int("MISSED" in page)


_TRAININGS: tuple[tuple[str, Literal["fp32", "bf16"]], ...] = (
    ("simclr", "fp32"),
    ("trimix", "fp32"),
    ("simclr", "bf16"),
)


def view_speeds(case: Case, *, turns: int) -> Views:
    """Every chain in turn; of a library's chains the fastest counts."""
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.integers(0, 256, (case.views, *case.shape.image), dtype=np.uint8))
    runs = [
        (name, number, chain)
        for name, several in chains(case.shape.image[1:], preset=case.shape.preset).items()
        for number, chain in enumerate(several)
    ]
    speeds: dict[tuple[str, int], list[float]] = {(name, number): [] for name, number, _ in runs}
    for _ in range(turns + 1):  # the first warms up
        for name, number, chain in runs:
            batch = image[: case.monai_views] if name in (MONAI, MONAI_BARE) else image
            begin = time.process_time()
            done = chain(batch)
            speeds[name, number].append(done / (time.process_time() - begin))
    best: dict[str, float] = {}
    for (name, _), values in speeds.items():
        best[name] = max(best.get(name, 0.0), statistics.median(values[1:]))
    return Views(case, best)


def trained_in_turns(case: Case, training: Training, *, folder: Path) -> Trained:
    """A real training, and after each of its steps one on a constant batch."""
    place = folder / f"{case.title} {training.method} {training.precision}"
    inputs = make_inputs(place, image=case.shape.image, rows=8 * case.shape.batch)
    turns = Turns(constant_step(inputs, shape=case.shape, training=training))
    pretraining(inputs, shape=case.shape, training=training, out=place / "out", should_stop=turns.should_stop)
    return Trained(case, training, turns.real(), turns.other())


def _head(rounds: int, *, beside: str) -> Iterator[str]:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    yield from ("# Speed and memory of pretraining", "")
    command = shlex.join(["python", "benchmarks/throughput.py", *sys.argv[1:]])
    yield f"Written by `{command}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}."
    yield f"Medians of turns ({rounds} rounds) on one core with one thread; ResNet-18 of width 0.25."
    if beside:
        yield f"The machine was not idle: {beside}."
    yield from ("", f"Machine: {machine}. Packages: {', '.join(_versions())}.", "")


def _versions() -> Iterator[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} absent"


def _bar(value: float, bar: float | None, *, at_most: bool = False) -> str:
    if bar is None:
        return ""
    missed = value > bar if at_most else value < bar
    return f"{bar:g}{' MISSED' if missed else ''}"


def _views(results: list[Views]) -> Iterator[str]:
    yield from ("## Augmented views per second and core", "")
    yield "What each chain does is told in `benchmarks/view_chains.py`."
    if any(KORNIA not in result.per_second for result in results):
        yield "kornia is not installed (`pip install kornia`): its column is empty."
    yield from ("", "| image | preset | medtrimix | MONAI | MONAI without metadata | kornia |")
    yield "|---|---|--:|--:|--:|--:|"
    for result in results:
        speeds = (f"{result.per_second[name]:,.0f}" if name in result.per_second else "" for name in _LIBRARIES)
        yield f"| {result.case.title} | {result.case.shape.preset} | {' | '.join(speeds)} |"
    yield from ("", "| image | times MONAI | at least | times MONAI without metadata | times kornia | at least |")
    yield "|---|--:|--:|--:|--:|--:|"
    for result in results:
        kornia = result.ratio(KORNIA) if KORNIA in result.per_second else None
        cells = (
            result.case.title,
            f"{result.ratio(MONAI):.1f}",
            _bar(result.ratio(MONAI), result.case.monai_bar),
            f"{result.ratio(MONAI_BARE):.1f}",
            "" if kornia is None else f"{kornia:.1f}",
            "" if kornia is None else _bar(kornia, KORNIA_BAR if len(result.case.shape.image) == 3 else None),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


_LIBRARIES = (OURS, MONAI, MONAI_BARE, KORNIA)


def _trainings(results: list[Trained], *, saving: float) -> Iterator[str]:
    yield from ("## Images per second of pretraining", "")
    yield "The step `pretrain` (store on disk, order, augmentation, method, optimiser, curves) against forward,"
    yield "backward and optimiser step on two views that stay in memory; after each step of the one comes one of the"
    yield "other. The last column is the same ratio in processor time. Medians leave out the few steps after which the"
    yield "representation is looked at, in a training of usual length about 2% of its work. A checkpoint, every 20 s by"
    yield f"default, takes {1000 * saving:.0f} ms more."
    yield from (
        "",
        "| image | method | precision | batch | pretraining | constant batch | ratio | at least | processor |",
    )
    yield "|---|---|---|--:|--:|--:|--:|--:|--:|"
    for result in results:
        training = result.training
        cells = (
            result.case.title,
            training.method,
            training.precision,
            str(result.case.shape.batch),
            f"{result.images_per_second(result.real):,.1f}",
            f"{result.images_per_second(result.constant):,.1f}",
            f"{result.ratio:.3f}",
            _bar(result.ratio, LOOP_BAR if training.precision == "fp32" else None),
            f"{result.cpu_ratio:.3f}",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _memory(peaks: dict[int, dict[str, float]], *, steps: int) -> Iterator[str]:
    few, many = peaks
    ratio = peaks[many]["anonymous"] / peaks[few]["anonymous"]
    yield from ("## Memory", "")
    yield f"Most memory of a fresh process that pretrains {steps} steps of {MEMORY.batch} images of 28 x 28 from a"
    yield "store on disk. What counts is the memory that the process has asked for (RssAnon, read every 2 ms). Pages of"
    yield "the store's files that it has read belong to the system's cache; the last column (VmHWM) has them as well."
    yield from ("", "| rows | asked for, MB | with pages of files, MB |", "|--:|--:|--:|")
    yield from (f"| {rows:,} | {peak['anonymous']:.0f} | {peak['resident']:.0f} |" for rows, peak in peaks.items())
    yield from ("", f"Ratio {ratio:.3f}, at most {_bar(ratio, MEMORY_BAR, at_most=True)}.")


def draw_figure(views: list[Views], trained: list[Trained], *, path: Path) -> None:
    """Views per second of each library, and the share of the network's own speed that a training reaches."""
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "medtrimix", "font.size": 9}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[3, 2])
        titles = [result.case.title for result in views]
        for name in _LIBRARIES:
            left.plot(titles, [result.per_second.get(name, np.nan) for result in views], "o-", label=name)
        left.set_yscale("log")
        left.set_ylabel("views per second and core")
        left.legend(frameon=False)
        for method, precision in _TRAININGS:
            ratios = [r.ratio for r in trained if (r.training.method, r.training.precision) == (method, precision)]
            if ratios:
                right.plot(titles[: len(ratios)], ratios, "o-", label=f"{method}, {precision}")
        right.axhline(LOOP_BAR, color="0.6", linewidth=0.8)
        right.set_ylim(0.8, 1.02)
        right.set_ylabel("speed of pretraining / of its network alone")
        right.tick_params(axis="x", rotation=30)
        right.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
