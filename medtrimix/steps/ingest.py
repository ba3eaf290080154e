"""Raw files to the array store: every file becomes images of the store or one verdict."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from medtrimix.config import model
from medtrimix.config.files import read_json, replacing, telling_full_disk, write_json
from medtrimix.errors import InputError, Interrupted, SourceError
from medtrimix.ingest.options import DataOptions
from medtrimix.steps.context import Context

if TYPE_CHECKING:
    from medtrimix.data.store_writer import StoreWriter
    from medtrimix.ingest.sample import Finished, Outcome

Progress = Callable[[int, int, str], None]
"""Told how much is done, of how much (0: nobody knows), and of what."""


class Config(model.Config):
    """How to read; what is read is named by its content, so that a moved folder is not read again.

    Attributes:
        options: of the pipeline file, paths left out.
        content: digest of the source's files; empty for the phantom, which is named by the step that makes it.
        secret_id: which site secret made the pseudonyms.
    """

    options: DataOptions
    content: str
    secret_id: str


@dataclass(frozen=True)
class Inputs:
    """Folder, manifest or npz of the source, and the table of labels if there is one."""

    source: Path
    labels: Path | None = None


@dataclass(frozen=True)
class Watch:
    """Who is told how far ingest is and what is odd about it, and who may stop it between two files."""

    progress: Progress
    should_stop: Callable[[], bool]
    tell: Callable[[str], None]

    def stop_if_asked(self, done: int) -> None:
        """Raises Interrupted if the wish was uttered; `done` files need not be read again."""
        if self.should_stop():
            raise Interrupted(f"Stopped after {done:,} files.", fix="The same command goes on from here.")


def store_folder(folder: Path) -> Path:
    """The array store."""
    return folder / "store"


def verdicts_file(folder: Path) -> Path:
    """JSON: number of files by verdict."""
    return folder / "verdicts.json"


def refusals_file(folder: Path) -> Path:
    """CSV: file_id, verdict, one line per file that is in no sample."""
    return folder / "refusals.csv"


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Reads every file once, in a fixed order."""
    options = config.options.model_copy(
        update={"source": str(inputs.source), "labels": str(inputs.labels) if inputs.labels else None}
    )

    def progress(done: int, total: int, unit: str) -> None:
        context.recorder.progress(done, total, unit=unit)

    watch = Watch(progress, context.should_stop, context.recorder.warn)
    fill(out, options=options, workers=context.workers, watch=watch)
    verdicts = read_json(verdicts_file(out))
    context.recorder.metrics.update({f"files_{verdict}": count for verdict, count in verdicts.items()})


def fill(out: Path, *, options: DataOptions, workers: int, watch: Watch) -> None:
    """Makes store, verdicts and refusals in `out`, going on where an earlier call with the same arguments stopped.

    Raises:
        SourceError: what `ingest.source.ingest` raises, or no image could be read; nothing of this call is left behind.
        Interrupted: `watch` wanted it; what was done is kept, as it is after a kill.
        StepFailed: the disk is full; what was done is kept.
    """
    from medtrimix.data.store import is_finished
    from medtrimix.ingest.sample import OtherUnits

    folder = store_folder(out)
    if is_finished(folder) and verdicts_file(out).is_file() and refusals_file(out).is_file():
        return
    begun_before = folder.is_dir()
    try:
        try:
            _write(out, options=options, workers=workers, watch=watch)
        except OtherUnits:
            watch.tell("Files came, went or could be read again since an earlier call: all are read once more.")
            shutil.rmtree(folder)
            _write(out, options=options, workers=workers, watch=watch)
    except InputError:
        if not begun_before:
            shutil.rmtree(folder)
        raise


def _write(out: Path, *, options: DataOptions, workers: int, watch: Watch) -> None:
    from medtrimix.data.store_writer import StoreWriter
    from medtrimix.ingest.sample import Record

    shape, columns = options.stored_shape, get_type_hints(Record)
    with (
        telling_full_disk(),
        StoreWriter(store_folder(out), image_shape=shape, dtype="uint8", columns=columns) as store,
    ):
        _read(store, options=options, workers=workers, watch=watch)
        _write_verdicts(store, out=out)


def _read(store: StoreWriter, *, options: DataOptions, workers: int, watch: Watch) -> None:
    from medtrimix.ingest.pseudonym import Pseudonyms, load_or_create_secret
    from medtrimix.ingest.source import ingest

    total = _count_files(options)
    finished, done = _finished(store)

    def headers_read(read: int, of: int) -> None:
        watch.progress(read, of, "headers")
        watch.stop_if_asked(done)

    outcomes = ingest(
        options,
        pseudonyms=Pseudonyms(load_or_create_secret()),
        workers=workers,
        finished=finished,
        headers_read=headers_read,
    )
    watch.progress(done, total, "files")
    for outcome in outcomes:
        store.add(
            [sample.image.array for sample in outcome.samples],
            rows=[asdict(sample.record) for sample in outcome.samples],
            note=_note(outcome),
        )
        done += outcome.accepted_files + len(outcome.refusals)
        watch.progress(done, total, "files")
        watch.stop_if_asked(done)


def _count_files(options: DataOptions) -> int:
    """How many files will get a verdict; 0 for an archive, where it is the pictures in it that get one."""
    from medtrimix.ingest.listing import ARCHIVE, list_source

    return 0 if options.source.endswith(ARCHIVE) else len(list_source(options).files)


def _note(outcome: Outcome) -> dict[str, Any]:
    """What the journal keeps of a unit besides its rows of the index."""
    refusals = [[refusal.file_id, str(refusal.verdict)] for refusal in outcome.refusals]
    return {
        "unit": outcome.unit,
        "accepted": outcome.accepted_files,
        "joined": outcome.joined,
        "refusals": refusals,
    }


def _finished(store: StoreWriter) -> tuple[Finished, int]:
    """What an interrupted attempt has done, and how many files that were."""
    from medtrimix.ingest.sample import Finished

    units: list[str] = []
    accepted: dict[str, str] = {}
    joined = files = 0
    for rows, note in store.units_so_far():
        units.append(note["unit"])
        accepted.update((row["sample_id"], row["pixel_sha256"]) for row in rows)
        joined += note["joined"]
        files += note["accepted"] + len(note["refusals"])
    return Finished(units=units, accepted=accepted, joined=joined), files


def _write_verdicts(store: StoreWriter, *, out: Path) -> None:
    verdicts: Counter[str] = Counter()
    with replacing(refusals_file(out)) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_id", "verdict"])
        for _, note in store.units_so_far():
            verdicts["accepted"] += note["accepted"]
            verdicts.update(verdict for _, verdict in note["refusals"])
            table.writerows(note["refusals"])
        if not verdicts["accepted"]:
            raise _nothing_accepted(verdicts)
    write_json(verdicts_file(out), dict(verdicts.most_common()))


def _nothing_accepted(verdicts: Counter[str]) -> SourceError:
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.most_common() if count)
    return SourceError(
        f"No image could be read: {counts or 'no files'}.",
        where="data.source",
        fix="Point data.source to DICOM, NIfTI, PNG, JPEG or TIFF files, a manifest or a MedMNIST .npz.",
    )
