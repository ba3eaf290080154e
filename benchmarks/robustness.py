"""Thousands of damaged files and all known bombs through the whole ingest: no crash, no hang, one verdict per file.

    python benchmarks/robustness.py --mutations 5000 --seed 17

Everything is ingested twice, as pictures and as volumes, by the product's own decoding processes. Good files lie among
the bad ones and must come out as if they were alone. The exit code is 1 if anything was not as it must be. File `n`
depends on the seed and on `n` alone, so `--first n --mutations 1` repeats it.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import made
import numpy as np
from bombs import BOMBS, HARMLESS, sparse_files, special_files
from mutations import mutated
from originals import Original, made_originals, originals

from medtrimix.ingest.listing import list_source
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Outcome
from medtrimix.ingest.source import ingest

BATCH = 250
SERIES_SHARE = 0.1  # of the mutations hit one slice of a CT series
WORKERS = 2
NAMES = Pseudonyms(bytes(range(32)))


class HangError(Exception):
    """No outcome for longer than all tasks that a process has in hand may take."""


@dataclass
class Tally:
    """What one way of reading has made of all batches."""

    verdicts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    longest_wait: float = 0.0
    lost_processes: int = 0


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mutations", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for one file")
    parser.add_argument("--memory", type=int, default=1024, help="megabytes of address space of a decoding process")
    chosen = parser.parse_args()
    tallies = {"pictures": Tally(), "volumes": Tally()}
    limits = {"timeout_s": chosen.timeout, "memory_limit_mb": chosen.memory}
    started = _count_started_processes()
    made_ones, bundled = originals(seed=chosen.seed)
    print(f"{len(made_ones)} made and {len(bundled)} bundled files to break, seed {chosen.seed}")
    with tempfile.TemporaryDirectory() as scratch:
        controls = Path(scratch) / "controls"
        _write_controls(controls)
        expected = {name: _accepted_pixels(_outcomes(_options(name, controls, limits))) for name in tallies}
        ends = range(chosen.first, chosen.first + chosen.mutations, BATCH)
        for batch, start in enumerate([*ends, None]):
            folder = Path(scratch) / f"batch{batch}"
            if start is None:
                must_fall = _write_bombs(folder)
            else:
                numbers = range(start, min(start + BATCH, chosen.first + chosen.mutations))
                _write_mutations(folder, numbers, seed=chosen.seed, sources=(made_ones, bundled))
                must_fall = []
            _write_controls(folder)
            for name, tally in tallies.items():
                where = f"{name}, " + ("bombs" if start is None else f"mutations from {start}")
                before = len(started)
                _read(_options(name, folder, limits), tally, expected=expected[name], must_fall=must_fall, where=where)
                tally.lost_processes += len(started) - before - WORKERS * (2 if name == "volumes" else 1)
            _remove(folder)
    return _report(tallies, memory_limit_mb=chosen.memory)


def problems_of(
    outcomes: Sequence[Outcome], *, files: Iterable[str], must_fall: Iterable[str], expected: Counter[str]
) -> list[str]:
    """What is wrong with the outcomes of a folder.

    Args:
        outcomes: all of them.
        files: names of everything in the folder, relative to it.
        must_fall: names of those that may not be accepted.
        expected: pixels of good images that must be among the accepted, and how often.
    """
    names = {NAMES.file(file): file for file in files}
    refused = Counter(refusal.file_id for outcome in outcomes for refusal in outcome.refusals)
    accepted = sum(outcome.accepted_files for outcome in outcomes)
    problems = [f"{count} verdicts on {names.get(file, 'no file')}" for file, count in refused.items() if count > 1]
    problems += ["a verdict on a file that is not there" for file in refused if file not in names]
    if accepted + len(refused) != len(names):
        problems.append(f"{accepted} accepted and {len(refused)} refused of {len(names)} files")
    problems += [f"accepted: {name}" for name in must_fall if NAMES.file(name) not in refused]
    missing = expected - _accepted_pixels(outcomes)
    if missing:
        problems.append(f"{missing.total()} of {expected.total()} good images are lost or changed")
    return problems


def _options(name: str, folder: Path, limits: dict[str, float]) -> DataOptions:
    volume = VolumeOptions(size=(16, 16, 16), min_slices=1) if name == "volumes" else None
    return DataOptions(source=str(folder), volume=volume, frames="samples", **limits)  # type: ignore[arg-type]


def _read(options: DataOptions, tally: Tally, *, expected: Counter[str], must_fall: Iterable[str], where: str) -> None:
    begin = time.perf_counter()
    try:
        outcomes = _outcomes(options, tally=tally)
    except Exception as error:  # whatever it is, it should not have come out of the ingest
        tally.problems.append(f"{where}: {error!r}")
        return
    tally.seconds += time.perf_counter() - begin
    files = [file.relative for file in list_source(options).files]
    found = problems_of(outcomes, files=files, must_fall=must_fall, expected=expected)
    tally.problems += [f"{where}: {problem}" for problem in found]
    tally.verdicts["accepted"] += sum(outcome.accepted_files for outcome in outcomes)
    tally.verdicts.update(str(refusal.verdict) for outcome in outcomes for refusal in outcome.refusals)


def _outcomes(options: DataOptions, *, tally: Tally | None = None) -> list[Outcome]:
    """All outcomes, under a watchdog that is outside of what it watches."""
    tally = tally or Tally()
    patience = 8 * options.timeout_s + 60
    last = time.perf_counter()

    def alive(*_: object) -> None:
        nonlocal last
        tally.longest_wait = max(tally.longest_wait, time.perf_counter() - last)
        last = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, patience)

    def bark(*_: object) -> None:
        raise HangError(f"nothing for {patience:.0f} seconds")

    signal.signal(signal.SIGALRM, bark)
    outcomes = []
    alive()
    for outcome in ingest(options, pseudonyms=NAMES, workers=WORKERS, headers_read=alive):
        alive()
        outcomes.append(outcome)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return outcomes


def _accepted_pixels(outcomes: Iterable[Outcome]) -> Counter[str]:
    return Counter(sample.record.pixel_sha256 for outcome in outcomes for sample in outcome.samples)


def _write_controls(folder: Path) -> None:
    """Good files, at the beginning, in the middle and at the end of the order in which they are read."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    files = [(good.data, good.ending) for good in made_originals(name="control", rng=rng)]
    files += [(slice_, ".dcm") for slice_ in made.ct_series(slices=8, side=32, name="control", rng=rng)]
    for number, (data, ending) in enumerate(files):
        (folder / f"{number * 1000 // len(files):03d} control{ending}").write_bytes(data)


def _write_mutations(
    folder: Path, numbers: range, *, seed: int, sources: tuple[list[Original], list[Original]]
) -> None:
    """One damaged file for each number; the other slices of a series lie beside it undamaged."""
    folder.mkdir()
    for place, number in enumerate(numbers):
        rng = np.random.default_rng([seed, number])
        name = folder / f"{place * 1000 // BATCH:03d} mutation {number}"
        if rng.random() < SERIES_SHARE:
            series = list(made.ct_series(slices=6, side=32, name=f"{seed} {number}", rng=rng))
            hit = int(rng.integers(len(series)))
            series[hit] = mutated(series[hit], rng=rng)
            for slice_number, data in enumerate(series):
                name.with_name(f"{name.name} slice {slice_number}").write_bytes(data)
        else:
            source = sources[int(rng.integers(2))] or sources[0]
            original = source[int(rng.integers(len(source)))]
            name.with_name(name.name + original.ending).write_bytes(mutated(original.data, rng=rng))


def _write_bombs(folder: Path) -> list[str]:
    """Names of those that may not be accepted."""
    folder.mkdir()
    for name, make in BOMBS.items():
        (folder / name).write_bytes(make())
    names = [*BOMBS, *sparse_files(folder), *special_files(folder)]
    return [name for name in names if name not in HARMLESS]


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _count_started_processes() -> list[str]:
    started: list[str] = []
    sys.addaudithook(lambda event, _: started.append(event) if event == "subprocess.Popen" else None)
    return started


def _report(tallies: dict[str, Tally], *, memory_limit_mb: int) -> int:
    print(f"\n{'verdict':24}" + "".join(f"{name:>12}" for name in tallies))
    for verdict in sorted({verdict for tally in tallies.values() for verdict in tally.verdicts}):
        print(f"{verdict:24}" + "".join(f"{tally.verdicts[verdict]:12}" for tally in tallies.values()))
    rows = {
        "files": [f"{tally.verdicts.total()}" for tally in tallies.values()],
        "files/s": [f"{tally.verdicts.total() / max(tally.seconds, 1e-9):.0f}" for tally in tallies.values()],
        "longest wait, s": [f"{tally.longest_wait:.1f}" for tally in tallies.values()],
        "lost processes": [f"{tally.lost_processes}" for tally in tallies.values()],
    }
    print("-" * 48)
    for title, cells in rows.items():
        print(f"{title:24}" + "".join(f"{cell:>12}" for cell in cells))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    problems = [problem for tally in tallies.values() for problem in tally.problems]
    if peak > memory_limit_mb:
        problems.append(f"a decoding process held {peak:.0f} MB")
    print(f"peak memory of a decoding process: {peak:.0f} MB of {memory_limit_mb} MB")
    print(*problems, sep="\n") if problems else print("no crash, no hang, one verdict on every file")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
