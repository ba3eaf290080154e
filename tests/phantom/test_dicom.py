"""The export as files: decoded by pydicom's own functions, never by the package's reader."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from medtrimix.errors import SourceError
from medtrimix.phantom.dicom import write_dicom_tree
from medtrimix.phantom.encodings import ENCODINGS, shown, store
from medtrimix.phantom.options import PhantomOptions

OPTIONS = PhantomOptions(patients=20, image_px=48)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "export"
    write_dicom_tree(folder, options=OPTIONS, seed=7)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def oracle(dataset: pydicom.Dataset, *, invert: bool = True) -> npt.NDArray[np.uint8]:
    """The 8-bit picture by pydicom's functions alone."""
    value = apply_modality_lut(dataset.pixel_array, dataset)
    if "WindowCenter" in dataset:
        value = apply_voi_lut(value, dataset, index=0)
        # pydicom's window fills the range that stored values can have after rescaling.
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        low, high = intercept, slope * (2**dataset.BitsStored - 1) + intercept
        share = (value - low) / (high - low)
    else:
        share = value / (2**dataset.BitsStored - 1)
    if invert and dataset.PhotometricInterpretation == "MONOCHROME1":
        share = 1 - share
    return np.rint(255 * share).astype(np.uint8)


def wrong_pictures(tree: Path, *, invert: bool = True) -> dict[str, int]:
    """Files whose picture is not the promised one, by encoding."""
    wrong = dict.fromkeys(ENCODINGS, 0)
    for row in rows_of(tree / "truth.csv"):
        picture = oracle(pydicom.dcmread(tree / row["path"]), invert=invert)
        wrong[row["encoding"]] += hashlib.sha256(picture.tobytes()).hexdigest() != row["pixel_sha256"]
    return wrong


def test_every_encoding_shows_its_picture(tree: Path) -> None:
    assert {row["encoding"] for row in rows_of(tree / "truth.csv")} == set(ENCODINGS)
    assert not any(wrong_pictures(tree).values())


def test_a_reader_that_forgets_monochrome1_is_caught(tree: Path) -> None:
    wrong = wrong_pictures(tree, invert=False)
    assert wrong.pop("mono1_12") > 0
    assert not any(wrong.values())


def test_the_second_window_is_another_picture(tree: Path) -> None:
    path = next(row["path"] for row in rows_of(tree / "truth.csv") if row["encoding"] == "implicit_12")
    dataset = pydicom.dcmread(tree / path)
    assert len(dataset.WindowCenter) == 2
    first = apply_voi_lut(dataset.pixel_array, dataset, index=0)
    assert np.abs(first - apply_voi_lut(dataset.pixel_array, dataset, index=1)).max() > 500


@given(st.integers(0, 2**32), st.sampled_from(sorted(ENCODINGS)))
def test_one_brightness_gives_nearly_one_picture(seed: int, name: str) -> None:
    # The seven encodings quantise once or twice: at most one grey value apart from plain rounding.
    rng = np.random.default_rng(seed)
    brightness = rng.uniform(-0.3, 1.3, size=(16, 16))
    plain = np.rint(255 * np.clip(brightness, 0, 1))
    encoding = ENCODINGS[name]
    picture = shown(store(brightness, rng, encoding=encoding), encoding=encoding)
    assert np.abs(picture - plain).max() <= 1


@pytest.mark.parametrize("name", [name for name, encoding in ENCODINGS.items() if encoding.bits == 12])
def test_no_pixel_hangs_on_the_rounding_of_a_reader(name: str) -> None:
    # float32 and float64 must agree, so no windowed value may lie within 1e-4 of a half.
    encoding = ENCODINGS[name]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        stored = store(np.linspace(-0.5, 1.5, 4096)[None], rng, encoding=encoding)
        slope, intercept = encoding.rescale
        centre, width = stored.windows[0]
        value = np.unique(slope * stored.pixels_HW.astype(float) + intercept)
        grey = 255 * ((value - (centre - 0.5)) / (width - 1) + 0.5)
        grey = grey[(grey >= 0) & (grey <= 255)]
        assert np.abs(grey - np.floor(grey) - 0.5).min() > 8e-5


def test_labels_name_every_file(tree: Path) -> None:
    labels = rows_of(tree / "labels.csv")
    files = {path.relative_to(tree).as_posix() for path in (tree / "DICOM").rglob("*") if path.is_file()}
    assert {row["path"] for row in labels} == files
    assert {row["label"] for row in labels} == {"normal", "opacity"}
    assert [row["path"] for row in labels] == [row["path"] for row in rows_of(tree / "truth.csv")]
    assert {Path(name).suffix for name in files} == {".dcm", ""}
    for row in labels:
        assert pydicom.dcmread(tree / row["path"]).PatientID == row["patient_id"]


def test_headers_are_valid_consistent_and_plainly_made_up(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
    files = [pydicom.dcmread(tree / row["path"]) for row in rows_of(tree / "labels.csv")]
    for dataset in files:
        str(dataset)  # every element is converted, hence validated
        assert str(dataset.PatientName).startswith("PHANTOM^")
        assert dataset.PatientID.startswith("PHANTOM")
        assert dataset.StudyDate < "19200101"
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert max(dataset.Rows, dataset.Columns) == OPTIONS.image_px
    assert len({dataset.SOPInstanceUID for dataset in files}) == len(files)
    people = {
        (dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate, dataset.PatientSex) for dataset in files
    }
    assert len(people) == OPTIONS.patients
    studies = {(dataset.StudyInstanceUID, dataset.PatientID, dataset.AccessionNumber) for dataset in files}
    assert len({study for study, _, _ in studies}) == len({number for _, _, number in studies}) == len(studies)
    assert len({dataset.file_meta.TransferSyntaxUID for dataset in files}) == 5


def digest_of_tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_writes_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_dicom_tree(
        tmp_path / "again", options=OPTIONS, seed=7, progress=lambda done, total: seen.append((done, total))
    )
    assert digest_of_tree(tmp_path / "again") == digest_of_tree(tree)
    total = len(rows_of(tree / "labels.csv"))
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_another_seed_writes_other_pictures(tree: Path, tmp_path: Path) -> None:
    write_dicom_tree(tmp_path / "other", options=OPTIONS.model_copy(update={"patients": 3}), seed=8)
    pictures = {row["pixel_sha256"] for row in rows_of(tree / "truth.csv")}
    assert not pictures & {row["pixel_sha256"] for row in rows_of(tmp_path / "other" / "truth.csv")}


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "left over").touch()
    with pytest.raises(SourceError, match="not empty"):
        write_dicom_tree(tmp_path, options=OPTIONS, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["left over"]
