"""What is known of the samples so far: which there are, what the tables say of them, and whether they say anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from medtrimix.errors import SourceError
from medtrimix.findings import one_of
from medtrimix.ingest.labels import UNLABELLED, Key, Labels
from medtrimix.ingest.listing import ListedFile
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.reading import Reading, Spoiled
from medtrimix.ingest.sample import Finished, Outcome, Refusal, Sample
from medtrimix.ingest.verdict import Verdict

Found: TypeAlias = tuple[Reading, ...] | Spoiled | Verdict
"""What a decoding process says of the files that it read together."""


class Register:
    """Turns what was decoded into outcomes; one for the whole source, in the order of its units."""

    def __init__(self, labels: Labels, *, finding: str | None, pseudonyms: Pseudonyms, finished: Finished) -> None:
        self._labels, self._finding, self._pseudonyms = labels, finding, pseudonyms
        self._pixels_of = {_short(name): _short(pixels) for name, pixels in finished.accepted.items()}
        self._joined = finished.joined

    def outcome(self, files: Sequence[ListedFile], found: Found) -> Outcome:
        """What becomes of files that were read together."""
        if isinstance(found, Verdict):
            return self._refused(files, [found] * len(files))
        if isinstance(found, Spoiled):
            verdicts = [Verdict.incomplete] * len(files)
            verdicts[found.position] = found.verdict
            return self._refused(files, verdicts)
        joined_before = self._joined
        samples = tuple(
            self._labelled(reading, files=files) for reading in map(self._registered, found) if reading is not None
        )
        if not samples:
            return self._refused(files, [Verdict.duplicate] * len(files))
        copies = [files[place] for place in found[0].copies]
        refused = self._refused(copies, [Verdict.duplicate] * len(copies))
        return replace(
            refused, samples=samples, accepted_files=len(files) - len(copies), joined=self._joined - joined_before
        )

    def require_labels(self) -> None:
        """Called at the end.

        Raises:
            SourceError: there are labels and samples, but no label is of a sample.
        """
        if self._labels.rows and self._pixels_of and not self._joined:
            raise nothing_joined(self._labels.key)

    def _refused(self, files: Sequence[ListedFile], verdicts: Sequence[Verdict]) -> Outcome:
        refusals = (
            Refusal(self._pseudonyms.file(file.relative), verdict)
            for file, verdict in zip(files, verdicts, strict=True)
        )
        return Outcome(refusals=tuple(refusals))

    def _registered(self, reading: Reading) -> Reading | None:
        """None for a copy. An instance that comes again with other pixels gets a name that says which pixels."""
        record = reading.record
        before = self._pixels_of.get(_short(record.sample_id))
        if reading.is_instance and before not in (None, _short(record.pixel_sha256)):
            record = replace(record, sample_id=self._pseudonyms.instance(f"{record.sample_id} {record.pixel_sha256}"))
        if _short(record.sample_id) in self._pixels_of:
            return None
        self._pixels_of[_short(record.sample_id)] = _short(record.pixel_sha256)
        return replace(reading, record=record)

    def _labelled(self, reading: Reading, *, files: Sequence[ListedFile]) -> Sample:
        row = self._labels.of_files([file.path for file in files], keys=reading.keys)
        self._joined += row is not UNLABELLED
        record = replace(
            reading.record,
            label=one_of(row.label, finding=self._finding),
            split=row.split,
            site=self._pseudonyms.site(row.site) if row.site else "",
        )
        return Sample(reading.image, record)


def _short(digest: str) -> bytes:
    """Twelve bytes stand for a digest or a pseudonym: a million of them fit into memory, and two are never alike."""
    return hashlib.blake2b(digest.encode(), digest_size=12).digest()


def nothing_joined(key: Key) -> SourceError:
    """No row of the labels is about any image."""
    meaning = "relative to the CSV's own folder" if key == "path" else "as the DICOM header has it"
    return SourceError(
        f"no row of the labels fits any image by '{key}'.",
        where="data.labels",
        fix=f"Column '{key}' must be {meaning}.",
    )
