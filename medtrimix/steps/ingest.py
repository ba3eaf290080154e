"""Raw files to the array store: every file becomes an image of the store or one verdict."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from medtrimix.config import model
from medtrimix.config.files import replacing, write_json
from medtrimix.errors import Interrupted, SourceError
from medtrimix.ingest.options import DataOptions
from medtrimix.steps.context import Context


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


def store_folder(folder: Path) -> Path:
    """The array store."""
    return folder / "store"


def verdicts_file(folder: Path) -> Path:
    """JSON: number of files by verdict."""
    return folder / "verdicts.json"


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Reads every file once, in sorted order."""
    from medtrimix.data.store import StoreWriter
    from medtrimix.ingest.pseudonym import Pseudonyms, load_or_create_secret
    from medtrimix.ingest.sample import Sample
    from medtrimix.ingest.source import ingest

    options = config.options.model_copy(
        update={"source": str(inputs.source), "labels": str(inputs.labels) if inputs.labels else None}
    )
    channels = 1 if options.channels == "grey" else 3
    verdicts: Counter[str] = Counter()
    outcomes = ingest(options, pseudonyms=Pseudonyms(load_or_create_secret()), workers=context.workers)
    refusals_file = out / "refusals.csv"
    with (
        StoreWriter(store_folder(out), image_shape=(channels, *options.image_size), dtype="uint8") as store,
        replacing(refusals_file) as temporary,
        temporary.open("w", newline="") as file,
    ):
        refusals = csv.writer(file)
        refusals.writerow(["file_id", "verdict"])
        for done, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, Sample):
                verdicts["accepted"] += 1
                store.add(outcome.image.array, row=asdict(outcome.record))
            else:
                verdicts[str(outcome.verdict)] += 1
                refusals.writerow([outcome.file_id, str(outcome.verdict)])
            context.recorder.progress(done, 0, unit="files")
            if context.should_stop():
                raise Interrupted(f"Stopped after {done} files.")
        if not verdicts["accepted"]:
            counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
            raise SourceError(
                f"No image could be read: {counts or 'no files'}.",
                where="data.source",
                fix="Point data.source to DICOM, PNG, JPEG or TIFF files, a manifest.csv or a MedMNIST .npz.",
            )
    write_json(verdicts_file(out), dict(verdicts.most_common()))
    context.recorder.metrics.update({f"files_{verdict}": count for verdict, count in verdicts.items()})
