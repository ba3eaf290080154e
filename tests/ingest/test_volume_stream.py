"""Volumes out of a folder: which files they take, what the labels say of them, and that every file has one verdict."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import ct_series, noise, radiograph, write
from PIL import Image

from medtrimix.errors import SourceError
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Finished, OtherUnits, Outcome
from medtrimix.ingest.source import ingest
from medtrimix.ingest.verdict import Verdict

NAMES = Pseudonyms(b"\x01" * 32)
VOLUME = VolumeOptions(size=(6, 16, 16))


def _ingest(source: Path, *, labels: Path | None = None, volume: VolumeOptions = VOLUME) -> list[Outcome]:
    options = DataOptions(
        source=str(source), labels=str(labels) if labels else None, volume=volume, image_size=(16, 16)
    )
    return list(ingest(options, pseudonyms=NAMES, workers=1))


def _write_series(folder: Path, *, seed: int = 0, slices: int = 6, **elements: object) -> list[Path]:
    """A series under a study of its own, its files in an order that has nothing to do with that of the slices."""
    values = np.random.default_rng(seed).integers(-1024, 1000, (slices, 12, 16)).astype(np.int16)
    uid = f"1.2.9.{seed}"
    series = ct_series(
        values, StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", PatientID=f"MRN{seed:04d}", **elements
    )
    paths = []
    for number, one in enumerate(series):
        one.SOPInstanceUID = f"{uid}.1.{number + 1}"
        paths.append(write(one, folder / f"IM{(7 * number + seed) % 31:04d}"))
    return paths


def _verdicts(outcomes: list[Outcome]) -> Counter[str]:
    counts = Counter({"accepted": sum(outcome.accepted_files for outcome in outcomes)})
    return +(counts + Counter(str(refusal.verdict) for outcome in outcomes for refusal in outcome.refusals))


def test_a_mixed_folder_gives_volumes_and_a_verdict_for_every_other_file(tmp_path: Path) -> None:
    _write_series(tmp_path / "a", seed=1)
    _write_series(tmp_path / "b", seed=2)
    write(
        ct_series(np.zeros((1, 12, 16), np.int16), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[0],
        tmp_path / "a" / "scout",
    )
    cut = _write_series(tmp_path / "c", seed=3)
    cut[2].write_bytes(cut[2].read_bytes()[:-100])
    missing = _write_series(tmp_path / "d", seed=4)
    missing[3].unlink()
    write(radiograph(noise()), tmp_path / "chest")
    Image.fromarray(noise((16, 16), bits=8)).save(tmp_path / "photo.png")
    (tmp_path / "notes.txt").write_text("CANARY")
    nibabel.save(
        nibabel.Nifti1Image(np.random.default_rng(0).random((7, 8, 9), np.float32), np.eye(4)), tmp_path / "v.nii.gz"
    )
    outcomes = _ingest(tmp_path)
    records = [sample.record for outcome in outcomes for sample in outcome.samples]
    assert [(record.encoding, record.slices, record.rows, record.columns) for record in records] == [
        ("explicit_le", 6, 12, 16),
        ("explicit_le", 6, 12, 16),
        ("nifti", 9, 8, 7),
    ]
    assert {sample.image.array.shape for outcome in outcomes for sample in outcome.samples} == {(1, 6, 16, 16)}
    assert _verdicts(outcomes) == {
        "accepted": 13,
        "localizer": 1,
        "truncated": 1,
        "incomplete": 5,
        "gap": 5,
        "no_volume": 2,
        "not_an_image": 1,
    }
    assert sum(_verdicts(outcomes).values()) == sum(path.is_file() for path in tmp_path.rglob("*"))
    assert [record.spacing_mm for record in records] == pytest.approx([0.8, 0.8, 1.0])
    assert [record.slice_spacing_mm for record in records] == pytest.approx([2.5, 2.5, 1.0])
    assert [record.orientation for record in records] == ["LPS", "LPS", "RAS"]


def test_names_of_files_change_nothing(tmp_path: Path) -> None:
    _write_series(tmp_path / "a", seed=1)
    (before,) = (sample for outcome in _ingest(tmp_path / "a") for sample in outcome.samples)
    for number, path in enumerate(sorted((tmp_path / "a").iterdir(), reverse=True)):
        path.rename(tmp_path / "a" / f"x{number}.dcm")
    (after,) = (sample for outcome in _ingest(tmp_path / "a") for sample in outcome.samples)
    assert repr(after.record) == repr(before.record)
    np.testing.assert_array_equal(after.image.array, before.image.array)


def test_copies_of_slices_and_of_a_series_are_duplicates(tmp_path: Path) -> None:
    paths = _write_series(tmp_path / "a", seed=1)
    (tmp_path / "a" / "zz").write_bytes(paths[2].read_bytes())
    _write_series(tmp_path / "b", seed=1)
    assert _verdicts(_ingest(tmp_path)) == {"accepted": 6, "duplicate": 7}


def test_slices_as_samples_share_a_patient_and_a_volume(tmp_path: Path) -> None:
    _write_series(tmp_path / "a", seed=1)
    outcomes = _ingest(tmp_path, volume=VolumeOptions(samples="slices"))
    (outcome,) = outcomes
    records = [sample.record for sample in outcome.samples]
    assert len(records) == outcome.accepted_files == 6
    assert len({record.patient_id for record in records}) == len({record.series_id for record in records}) == 1
    assert len({record.sample_id for record in records}) == len({record.pixel_sha256 for record in records}) == 6
    assert [record.frame for record in records] == list(range(6))


@pytest.mark.parametrize(
    "table",
    [
        "series_uid,label\n1.2.9.1.1,sick\n1.2.9.2.1,well\n",
        "study_uid,label\n1.2.9.1,sick\n1.2.9.2,well\n",
        "patient_id,label\nmrn0001,sick\nMRN0002,well\n",
        "path,label\na,sick\nb,well\n",
        "path,label\na/IM0001,sick\nb/IM0002,well\n",
    ],
)
def test_labels_of_volumes(tmp_path: Path, table: str) -> None:
    for seed, name in ((1, "a"), (2, "b")):
        _write_series(tmp_path / name, seed=seed)
    labels = tmp_path / "labels.csv"
    labels.write_text(table)
    outcomes = _ingest(tmp_path, labels=labels)
    assert [sample.record.label for outcome in outcomes for sample in outcome.samples] == ["sick", "well"]


def test_slices_of_a_volume_must_agree(tmp_path: Path) -> None:
    _write_series(tmp_path / "a", seed=1)
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\na/IM0001,sick\na/IM0008,well\n")
    with pytest.raises(SourceError, match="slices of one volume have different labels"):
        _ingest(tmp_path, labels=labels)


def test_headers_are_counted_and_an_interrupted_ingest_goes_on(tmp_path: Path) -> None:
    for seed in range(3):
        _write_series(tmp_path / str(seed), seed=seed)
    (tmp_path / "notes.txt").write_text("x")
    options = DataOptions(source=str(tmp_path), volume=VOLUME)
    seen: list[tuple[int, int]] = []

    def headers_read(done: int, total: int) -> None:
        seen.append((done, total))

    whole = list(ingest(options, pseudonyms=NAMES, workers=1, headers_read=headers_read))
    assert seen == [(done, 19) for done in range(1, 20)]
    assert len(whole) == 4
    accepted = {sample.record.sample_id: sample.record.pixel_sha256 for o in whole[:2] for sample in o.samples}
    finished = Finished([outcome.unit for outcome in whole[:2]], accepted)
    rest = list(ingest(options, pseudonyms=NAMES, workers=1, finished=finished))
    assert repr([outcome.refusals for outcome in rest]) == repr([outcome.refusals for outcome in whole[2:]])
    assert repr([s.record for o in rest for s in o.samples]) == repr([s.record for o in whole[2:] for s in o.samples])


def test_a_volume_that_fell_apart_for_a_moment_is_not_lost_to_the_next_call(tmp_path: Path) -> None:
    """Series 0 can't be read whole at first and makes a unit of each file: counted, they would hide series 1."""
    paths = _write_series(tmp_path / "0", seed=0, slices=4)
    for seed in (1, 2):
        _write_series(tmp_path / str(seed), seed=seed, slices=4)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:300])
    options = DataOptions(source=str(tmp_path), volume=VOLUME)
    with closing(ingest(options, pseudonyms=NAMES, workers=1)) as outcomes:  # type: ignore[type-var]
        begun = [next(outcomes).unit for _ in range(2)]
    paths[1].write_bytes(whole)
    with pytest.raises(OtherUnits):
        list(ingest(options, pseudonyms=NAMES, workers=1, finished=Finished(begun)))
    assert _verdicts(list(ingest(options, pseudonyms=NAMES, workers=1))) == {"accepted": 12}


def test_without_volume_a_slice_is_a_picture_and_nifti_waits(tmp_path: Path) -> None:
    _write_series(tmp_path / "a", seed=1)
    nibabel.save(nibabel.Nifti1Image(np.zeros((7, 8, 9), np.int16), np.eye(4)), tmp_path / "v.nii")
    outcomes = list(ingest(DataOptions(source=str(tmp_path)), pseudonyms=NAMES, workers=1))
    assert _verdicts(outcomes) == {"accepted": 6, Verdict.is_volume: 1}
