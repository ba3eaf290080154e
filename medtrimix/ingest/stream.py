"""The stream of samples and refusals: decoding, labels and duplicates brought together in the order of the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from medtrimix.errors import SourceError
from medtrimix.ingest.labels import UNLABELLED, Labels, read_labels
from medtrimix.ingest.listing import ListedFile, Source
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pool import Limits, supervised_map
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.reader import Reading, Task, read_file
from medtrimix.ingest.sample import Refusal, Sample
from medtrimix.ingest.verdict import Verdict


def read_all(
    source: Source, *, options: DataOptions, pseudonyms: Pseudonyms, workers: int
) -> Iterator[Sample | Refusal]:
    """Samples and refusals of a folder or a manifest; see `source.ingest`."""
    labels = _labels(source, options=options, pseudonyms=pseudonyms)
    return _stream(source, labels, options=options, pseudonyms=pseudonyms, workers=workers)


def _labels(source: Source, *, options: DataOptions, pseudonyms: Pseudonyms) -> Labels:
    if source.manifest is not None:
        return Labels("path", {os.fspath(source.root / name): row for name, row in source.manifest.items()})
    if options.labels is None:
        return Labels("path", {})
    labels = read_labels(Path(options.labels), column=options.label, pseudonyms=pseudonyms)
    if labels.key == "path" and not any(os.fspath(file.path) in labels.rows for file in source.files):
        raise _nothing_joined("path")
    return labels


def _stream(
    source: Source, labels: Labels, *, options: DataOptions, pseudonyms: Pseudonyms, workers: int
) -> Iterator[Sample | Refusal]:
    tasks = [_task(file, labels) for file in source.files if file.verdict is None]
    read = partial(read_file, options=options, pseudonyms=pseudonyms)
    limits = Limits(options.timeout_s, options.memory_limit_mb)
    instances: set[str] = set()
    accepted = joined = 0
    with closing(supervised_map(read, tasks, workers=workers, limits=limits)) as readings:
        for file in source.files:
            reading = file.verdict or next(readings)
            if isinstance(reading, Reading) and reading.instance_key:
                instance = f"{reading.instance_key} {reading.record.pixel_sha256}"
                if instance in instances:
                    reading = Verdict.duplicate
                instances.add(instance)
            if isinstance(reading, Verdict):
                yield Refusal(pseudonyms.file(file.relative), reading)
                continue
            row = labels.of(path=file.path, patient_key=reading.patient_key)
            accepted, joined = accepted + 1, joined + (row is not UNLABELLED)
            yield Sample(reading.image, replace(reading.record, label=row.label, split=row.split))
    if labels.key == "patient_id" and accepted and not joined:
        raise _nothing_joined("patient_id")


def _task(file: ListedFile, labels: Labels) -> Task:
    known = labels.of(path=file.path, patient_key="")
    return Task(file.relative, os.fspath(file.path), known.patient_id)


def _nothing_joined(key: str) -> SourceError:
    meaning = "relative to the CSV's own folder" if key == "path" else "as the DICOM header has it"
    return SourceError(
        f"no row of the labels fits any image by '{key}'.",
        where="data.labels",
        fix=f"Column '{key}' must be {meaning}.",
    )
