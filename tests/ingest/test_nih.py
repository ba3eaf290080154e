"""A thousand real radiographs in eight encodings, with known truth."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Refusal, Sample
from medtrimix.ingest.source import ingest
from medtrimix.ingest.verdict import Verdict

NAMES = Pseudonyms(b"\x01" * 32)


@pytest.fixture(scope="module")
def outcome(real_data: Path) -> list[Sample | Refusal]:
    folder = real_data / "nih_cxr"
    options = DataOptions(source=str(folder), labels=str(folder / "labels.csv"))
    return list(ingest(options, pseudonyms=NAMES, workers=2))


def _samples(outcome: list[Sample | Refusal]) -> list[Sample]:
    return [item for item in outcome if isinstance(item, Sample)]


def test_every_picture_is_the_true_one(outcome: list[Sample | Refusal], real_data: Path) -> None:
    with (real_data / "nih_cxr" / "truth.csv").open() as file:
        truth = {NAMES.file(row["path"]): row["pixel_sha256"] for row in csv.DictReader(file)}
    found = {sample.record.sample_id: sample.record.pixel_sha256 for sample in _samples(outcome)}
    assert len(truth) == 1000
    wrong = Counter(
        s.record.encoding for s in _samples(outcome) if found[s.record.sample_id] != truth[s.record.sample_id]
    )
    assert found.keys() == truth.keys()
    assert not wrong


def test_counts(outcome: list[Sample | Refusal], real_data: Path) -> None:
    samples = _samples(outcome)
    refused = Counter(item.verdict for item in outcome if isinstance(item, Refusal))
    assert len(samples) == 1000
    assert refused == {Verdict.not_an_image: 1}, "truth.csv; labels.csv is no file of the source"
    assert len({sample.record.patient_id for sample in samples}) == 682
    assert Counter(sample.record.label for sample in samples) == {"no_findings": 500, "pneumonia": 500}
    with (real_data / "nih_cxr" / "labels.csv").open() as file:
        label = {NAMES.file(row["path"]): row["label"] for row in csv.DictReader(file)}
    assert all(label[sample.record.sample_id] == sample.record.label for sample in samples)


def test_shapes_and_geometry(outcome: list[Sample | Refusal]) -> None:
    for sample in _samples(outcome):
        assert sample.image.array.shape == (1, 64, 64)
        assert (sample.record.rows, sample.record.columns) == (224, 224)
        assert sample.record.spacing_mm == pytest.approx(350 / 224)
        assert sample.image.spacing_mm == pytest.approx((350 / 64, 350 / 64))


def test_nothing_that_identifies_comes_out(outcome: list[Sample | Refusal], real_data: Path) -> None:
    # Upper-case canaries can't occur by chance in lower-case pseudonyms.
    everything = repr([item.record if isinstance(item, Sample) else item for item in outcome])
    for canary in ("CANARY", "MRN", "ACC", "1.2.826", "19010203", "images/", str(real_data)):
        assert canary not in everything
    assert "CR" in everything, "the test can't see upper case"


def test_the_number_of_processes_changes_nothing(
    outcome: list[Sample | Refusal], real_data: Path, tmp_path: Path
) -> None:
    for number, file in enumerate(sorted((real_data / "nih_cxr" / "images").rglob("*"))[:60]):
        if file.is_file():
            (tmp_path / f"{number:03}").write_bytes(file.read_bytes())
    options = DataOptions(source=str(tmp_path))
    one, three = ([_plain(item) for item in ingest(options, pseudonyms=NAMES, workers=n)] for n in (1, 3))
    assert one == three
    assert len(one) > 20


def _plain(item: Sample | Refusal) -> tuple[object, bytes]:
    return (item.record, item.image.array.tobytes()) if isinstance(item, Sample) else (item, b"")
