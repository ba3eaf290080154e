"""`medtrimix ingest`: a source to an array store, a manifest and a page, outside any study."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich import box
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from medtrimix.cli.console import amount, bars, out
from medtrimix.errors import Interrupted
from medtrimix.ingest.options import DataOptions
from medtrimix.pipeline.ingest_folder import IngestFolder, ingest_folder
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.study import ComputeOptions
from medtrimix.report.quality.verdicts import counted
from medtrimix.steps.ingest import Watch

_SLICES = {"CT", "MR", "PT"}
_SLICES_OF_A_SERIES = 8
"""With so many pictures per series they are the slices of volumes."""
_MANY_LABELS = 100


def ingest_source(folder: Path, *, options: DataOptions, workers: int | None) -> None:
    """Ingests into `folder` what is not there yet, and prints what became of the files.

    Raises:
        MedtrimixError: what went wrong, Ctrl-C included.
    """
    workers = workers or resolve(ComputeOptions(device="cpu")).workers
    try:
        with bars() as shown:
            bar = shown.add_task("looking", total=None, amount="")
            with ingest_folder(folder, options=options) as claimed:
                if claimed.is_done:
                    out.print("Nothing to do: the folder holds this ingest already.")
                else:
                    _fill(claimed, workers=workers, shown=shown, move=_mover(shown, bar))
    except KeyboardInterrupt:  # left to typer, it would end without a word
        raise Interrupted("Stopped.", fix="The same command goes on from here.") from None
    _print_outcome(claimed)


def _fill(claimed: IngestFolder, *, workers: int, shown: Progress, move: Callable[[int, int, str], None]) -> None:
    if claimed.was_begun:
        shown.console.print("Going on where an earlier call was interrupted.")
    with _held_ctrl_c() as pressed:
        watch = Watch(move, pressed, shown.console.print)
        claimed.fill(workers=workers, watch=watch, write_page=_write_page)


def _write_page(claimed: IngestFolder) -> None:
    from medtrimix.report.quality.page import write_quality  # figures: a second, which a finished ingest does not need

    write_quality(claimed.store, verdicts=claimed.verdicts, out=claimed.page)


def _mover(shown: Progress, bar: TaskID) -> Callable[[int, int, str], None]:
    def move(done: int, total: int, unit: str) -> None:
        shown.update(
            bar,
            description="reading",
            completed=done,
            total=total or None,
            amount=amount(done, total, unit=unit),
        )

    return move


@contextmanager
def _held_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Tells whether Ctrl-C was pressed; pressed once more, it ends everything at once."""
    pressed = False

    def press(_: int, __: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        out.print("Stopping after the files in hand; Ctrl-C again stops at once.")

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _print_outcome(claimed: IngestFolder) -> None:
    from medtrimix.data.store import ArrayStore

    out.print(_verdict_table(claimed.verdicts))
    store = ArrayStore.open(claimed.store)
    index = store.columns("patient_id", "series_id", "label", "modality")
    shape = " x ".join(map(str, store.image_shape))
    out.print(f"{len(store):,} samples of {shape}, from {index['patient_id'].nunique():,} patients")
    labels = {str(name) or "(none)": int(count) for name, count in index["label"].value_counts().items()}
    shown = ", ".join(f"{name} {count:,}" for name, count in list(labels.items())[:8])
    out.print(Text(f"Labels:   {shown}{', …' if len(labels) > 8 else ''}"), soft_wrap=True)
    out.print(f"Manifest: {escape(str(claimed.path / 'manifest.parquet'))} (and .csv)", soft_wrap=True)
    out.print(f"Page:     {escape(str(claimed.page))}", soft_wrap=True)
    if len(labels) > _MANY_LABELS:
        out.print(
            f"Hint: {len(labels):,} different labels. Is it the right column? It is stored as it is.", style="yellow"
        )
    of_volumes = index["modality"].isin(_SLICES)
    slices = int(of_volumes.sum())
    if claimed.options.volume is None and slices > _SLICES_OF_A_SERIES * index["series_id"][of_volumes].nunique():
        out.print(
            f"Hint: {slices:,} slices of {', '.join(sorted(set(index['modality'][of_volumes])))} series were read as "
            "pictures. Volumes: --set volume.size=\\[64,64,64]",
            style="yellow",
            soft_wrap=True,
        )


def _verdict_table(verdicts: dict[str, int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("verdict", no_wrap=True)
    table.add_column("files", justify="right", no_wrap=True)
    table.add_column("meaning")
    for name, count, meaning in counted(verdicts):
        text = f"{meaning.text}: {meaning.remedy}" if meaning.remedy else meaning.text
        table.add_row(name, f"{count:,}", text)
    return table
