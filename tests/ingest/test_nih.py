"""A thousand real radiographs in eight encodings, with known truth."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from medtrimix.ingest.listing import list_source
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Outcome, Sample
from medtrimix.ingest.source import ingest
from medtrimix.ingest.verdict import Verdict

NAMES = Pseudonyms(b"\x01" * 32)


@pytest.fixture(scope="module")
def outcome(real_data: Path) -> dict[str, Outcome]:
    """What became of each file, by its path."""
    folder = real_data / "nih_cxr"
    options = DataOptions(source=str(folder), labels=str(folder / "labels.csv"))
    outcomes = ingest(options, pseudonyms=NAMES, workers=2)
    return {file.relative: outcome for file, outcome in zip(list_source(options).files, outcomes, strict=True)}


def _samples(outcome: dict[str, Outcome]) -> dict[str, Sample]:
    return {path: sample for path, one in outcome.items() for sample in one.samples}


def _column(table: Path, name: str) -> dict[str, str]:
    with table.open() as file:
        return {row["path"]: row[name] for row in csv.DictReader(file)}


def test_every_picture_is_the_true_one(outcome: dict[str, Outcome], real_data: Path) -> None:
    truth = _column(real_data / "nih_cxr" / "truth.csv", "pixel_sha256")
    samples = _samples(outcome)
    assert len(truth) == 1000
    assert samples.keys() == truth.keys()
    wrong = Counter(s.record.encoding for path, s in samples.items() if s.record.pixel_sha256 != truth[path])
    assert not wrong


def test_counts(outcome: dict[str, Outcome], real_data: Path) -> None:
    samples = _samples(outcome)
    refused = Counter(refusal.verdict for one in outcome.values() for refusal in one.refusals)
    assert len(samples) == 1000
    assert refused == {Verdict.not_an_image: 1}, "truth.csv; labels.csv is no file of the source"
    assert len({sample.record.patient_id for sample in samples.values()}) == 682
    assert Counter(sample.record.label for sample in samples.values()) == {"no_findings": 500, "pneumonia": 500}
    label = _column(real_data / "nih_cxr" / "labels.csv", "label")
    assert all(label[path] == sample.record.label for path, sample in samples.items())


def test_shapes_and_geometry(outcome: dict[str, Outcome]) -> None:
    for sample in _samples(outcome).values():
        assert sample.image.array.shape == (1, 64, 64)
        assert (sample.record.rows, sample.record.columns) == (224, 224)
        assert sample.record.spacing_mm == pytest.approx(350 / 224)
        assert sample.image.spacing_mm == pytest.approx((350 / 64, 350 / 64))


def test_nothing_that_identifies_comes_out(outcome: dict[str, Outcome], real_data: Path) -> None:
    # Upper-case canaries can't occur by chance in lower-case pseudonyms.
    everything = repr([([sample.record for sample in one.samples], one.refusals) for one in outcome.values()])
    for canary in ("CANARY", "MRN", "ACC", "1.2.826", "19010203", "images/", str(real_data)):
        assert canary not in everything
    assert "CR" in everything, "the test can't see upper case"


def test_the_number_of_processes_changes_nothing(outcome: dict[str, Outcome], real_data: Path, tmp_path: Path) -> None:
    for number, file in enumerate(sorted((real_data / "nih_cxr" / "images").rglob("*"))[:60]):
        if file.is_file():
            (tmp_path / f"{number:03}").write_bytes(file.read_bytes())
    options = DataOptions(source=str(tmp_path))
    one, three = ([_plain(item) for item in ingest(options, pseudonyms=NAMES, workers=n)] for n in (1, 3))
    assert one == three
    assert len(one) > 20


def _plain(outcome: Outcome) -> str:
    return repr(([(s.record, s.image.array.tobytes()) for s in outcome.samples], outcome.refusals))
