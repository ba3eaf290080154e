"""CT series: voxels against exact geometry, and files as SimpleITK reads them, never by the package's reader."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK
from pydantic import TypeAdapter, ValidationError
from sklearn.metrics import roc_auc_score

from medtrimix.errors import SourceError
from medtrimix.phantom.cohort import NORMAL, OPACITY
from medtrimix.phantom.ct import hounsfield, scan_chest, store_slices
from medtrimix.phantom.ct_cohort import scans
from medtrimix.phantom.ct_dicom import write_ct_tree
from medtrimix.phantom.export import write_export
from medtrimix.phantom.grid import Grid, attenuation_on
from medtrimix.phantom.options import AnyPhantom, CTOptions, PhantomOptions
from medtrimix.phantom.person import chest
from medtrimix.phantom.scanners import CT_ENCODINGS, SCANNERS, Scanner
from medtrimix.phantom.solids import Region, attenuation_at, ellipsoid
from medtrimix.phantom.swarm import Swarm
from medtrimix.phantom.thorax import WATER

OPTIONS = CTOptions(patients=14, matrix=32, slice_mm=14)
NOTHING = Swarm(np.empty((0, 3)), np.empty((0, 3, 3)), np.empty(0))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ct") / "export"
    write_ct_tree(folder, options=OPTIONS, seed=7)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def grid(*, spacing: float, half: float) -> Grid:
    axis = np.arange(-half, half + spacing / 2, spacing)
    return Grid(axis, axis, axis)


def test_the_grid_is_the_chest_point_by_point() -> None:
    """The swarm and the regions on a grid against the slow sum at its points; only points on an edge may differ."""
    thorax = chest(3, options=OPTIONS, inspiration_mm=0, seed=0)
    where = Grid(np.linspace(-170, 160, 24), np.linspace(-110, 100, 18), np.linspace(-180, 150, 20))
    z, y, x = np.meshgrid(where.z, where.y, where.x, indexing="ij")
    points_P3 = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    slow = attenuation_at([*thorax.regions, *thorax.swarm.regions()], points_P3).reshape(where.shape)
    fast = attenuation_on(where, regions=thorax.regions, swarm=thorax.swarm)
    assert (np.abs(fast - slow) > 1e-6).mean() < 1e-3
    without = attenuation_on(where, regions=thorax.regions, swarm=NOTHING)
    assert (np.abs(without - slow) > 1e-6).mean() > 0.02  # the comparison sees the small solids


def test_hounsfield_units_of_a_ball_of_water() -> None:
    ball = (Region(WATER, (ellipsoid((0, 0, 0), (40, 40, 40)),)),)
    hu = hounsfield(grid(spacing=4, half=60), regions=ball, swarm=NOTHING)
    middle = hu.shape[0] // 2
    assert hu[middle, middle, middle] == pytest.approx(0, abs=1e-3)
    assert hu[0, 0, 0] == -1000
    # The mean of the shares of voxels is the volume, 4/3 pi 40^3; a point per voxel would be off by its edge alone.
    volume = (hu / 1000 + 1).sum() * 4**3
    assert volume == pytest.approx(4 / 3 * np.pi * 40**3, rel=0.01)
    assert 0 < ((hu > -999) & (hu < -1)).mean() < 0.2


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.station)
def test_every_scanner_stores_the_same_units_in_the_same_place(scanner: Scanner) -> None:
    """Stored values, rescaled and put where the header says, are the patient's, whichever way the rows run."""
    where = Grid(np.arange(6) * 2.0 - 5, np.arange(5) * 2.0 + 3, np.arange(4) * 5.0)
    hu = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6) * 10 - 600
    slices = store_slices(hu, where, scanner=replace(scanner, field_mm=1000.0))
    for place in np.ndindex(4, 5, 6):
        column_row_slice = np.array([place[2], place[1], place[0], 1.0])
        left, back, head = (slices.affine @ column_row_slice)[:3] * (-1, -1, 1)
        there = where.z.tolist().index(head), where.y.tolist().index(back), where.x.tolist().index(left)
        assert int(slices.stored_DHW[place]) + scanner.intercept == hu[there]


def sorted_slices(tree: Path, row: dict[str, str], *, into: Path) -> list[str]:
    """The series without its scout image, in GDCM's own order (by position)."""
    into.mkdir()
    for path in (tree / row["folder"]).iterdir():
        if "LOCALIZER" not in pydicom.dcmread(path, stop_before_pixels=True).ImageType:
            (into / path.name).symlink_to(path)
    return list(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(into)))


def read_by_itk(files: list[str]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float64]]:
    """Hounsfield units (D, H, W) and the affine to RAS."""
    image = SimpleITK.ReadImage(files)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).astype(np.int16), np.diag([-1, -1, 1, 1]) @ affine


def wrong_series(tree: Path, scratch: Path, *, by_name: bool = False) -> list[str]:
    """Encodings of the series that SimpleITK sees otherwise than the truth says."""
    wrong = []
    for number, row in enumerate(rows_of(tree / "truth.csv")):
        files = sorted_slices(tree, row, into=scratch / str(number))
        hu_DHW, affine = read_by_itk(sorted(files) if by_name else files)
        digest = hashlib.sha256(hu_DHW.astype("<i2").tobytes()).hexdigest()
        expected = np.array(row["affine"].split(), dtype=float).reshape(3, 4)
        right = len(files) == int(row["slices"]) and digest == row["hu_sha256"]
        if not (right and np.allclose(affine[:3], expected, atol=1e-4)):
            wrong.append(row["encoding"])
    return wrong


def test_simpleitk_sees_the_hounsfield_units_and_the_place_that_the_truth_says(tree: Path, tmp_path: Path) -> None:
    assert {row["encoding"] for row in rows_of(tree / "truth.csv")} == set(CT_ENCODINGS)
    assert wrong_series(tree, tmp_path) == []


def test_a_reader_that_trusts_file_names_is_caught(tree: Path, tmp_path: Path) -> None:
    assert len(wrong_series(tree, tmp_path, by_name=True)) == len(rows_of(tree / "truth.csv"))


def test_neither_names_nor_numbers_tell_the_order(tree: Path) -> None:
    for row in rows_of(tree / "truth.csv"):
        files = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted((tree / row["folder"]).iterdir())]
        slices = [file for file in files if "LOCALIZER" not in file.ImageType]
        assert len(files) - len(slices) == int(row["localizer"])
        by_name = [file.ImagePositionPatient[2] for file in slices]
        by_number = [file.ImagePositionPatient[2] for file in sorted(slices, key=lambda file: int(file.InstanceNumber))]
        for order in (by_name, by_number, by_name[::-1], by_number[::-1]):
            assert order != sorted(order)
        assert len(set(by_name)) == len(slices) == int(row["slices"])


def test_headers_are_valid_consistent_and_plainly_made_up(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
    files = [pydicom.dcmread(path) for path in (tree / "DICOM").rglob("IM*")]
    for dataset in files:
        str(dataset)  # every element is converted, hence validated
        assert str(dataset.PatientName).startswith("PHANTOM^")
        assert dataset.PatientID.startswith("PHANTOM")
        assert dataset.StudyDate < "19200101"
        assert dataset.RescaleType == "HU"
    assert len({dataset.SOPInstanceUID for dataset in files}) == len(files)
    by_series = {(dataset.SeriesInstanceUID, dataset.PatientID): dataset for dataset in files}
    labels = rows_of(tree / "labels.csv")
    assert by_series.keys() == {(row["series_uid"], row["patient_id"]) for row in labels}
    assert len(labels) == len(rows_of(tree / "truth.csv")) > OPTIONS.patients
    assert {row["label"] for row in labels} == {NORMAL, OPACITY}
    padded = {dataset.PixelPaddingValue for dataset in files if "PixelPaddingValue" in dataset}
    assert padded == {-2000}
    assert {dataset.PixelRepresentation for dataset in files} == {0, 1}
    assert {dataset.PatientPosition for dataset in files} == {"HFS", "HFP"}


def digest_of_tree(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_writes_the_same_bytes_and_reports_progress(tree: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_export(tmp_path / "again", options=OPTIONS, seed=7, progress=lambda done, all_: seen.append((done, all_)))
    assert digest_of_tree(tmp_path / "again") == digest_of_tree(tree)
    count = len(rows_of(tree / "labels.csv"))
    assert seen == [(done, count) for done in range(1, count + 1)]
    write_export(tmp_path / "other", options=OPTIONS.model_copy(update={"patients": 2}), seed=8)
    hu = {row["hu_sha256"] for row in rows_of(tree / "truth.csv")}
    assert not hu & {row["hu_sha256"] for row in rows_of(tmp_path / "other" / "truth.csv")}


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "left over").touch()
    with pytest.raises(SourceError, match="not empty"):
        write_ct_tree(tmp_path, options=OPTIONS, seed=0)


@pytest.mark.parametrize(("density", "seen"), [(1e-12, False), (0.8, True)])
def test_the_label_decides_nothing_but_the_opacity(density: float, seen: bool) -> None:
    options = OPTIONS.model_copy(update={"patients": 4, "opacity_density": (density, density)})
    for scan in scans(options, seed=5):
        normal, ill = (
            scan_chest(replace(scan, label=label), options=options, seed=5).stored_DHW.astype(int)
            for label in (NORMAL, OPACITY)
        )
        assert (np.abs(ill - normal).max() > 100) == seen
        assert (ill != normal).mean() < 0.05


def trivial_aucs(options: CTOptions) -> dict[str, float]:
    plan = list(scans(options, seed=3))
    volumes = [
        scan_chest(scan, options=options, seed=3).stored_DHW.astype(float) + scan.scanner.intercept for scan in plan
    ]
    features = {
        "mean": [volume.mean() for volume in volumes],
        "median": [np.median(volume) for volume in volumes],
        "lung": [((volume > -900) & (volume < -600)).mean() for volume in volumes],
        "slices": [len(volume) for volume in volumes],
        "scanner": [scan.scanner.intercept for scan in plan],
        "localizer": [scan.localizer for scan in plan],
    }
    target = [scan.label == OPACITY for scan in plan]
    return {name: float(roc_auc_score(target, feature)) for name, feature in features.items()}


def test_trivial_features_know_little() -> None:
    # About 170 scans of 120 people: standard deviation about .045 for scans that share a person.
    aucs = trivial_aucs(CTOptions(patients=120, matrix=32, slice_mm=15))
    assert all(abs(auc - 0.5) < 0.15 for auc in aucs.values()), aucs


def test_trivial_features_would_see_a_white_lung() -> None:
    aucs = trivial_aucs(
        CTOptions(patients=40, matrix=32, slice_mm=15, opacity_radius_mm=(90.0, 100.0), opacity_density=(1.0, 1.0))
    )
    assert max(abs(auc - 0.5) for auc in aucs.values()) > 0.3, aucs


def test_the_kind_chooses_the_options_and_radiographs_need_no_name() -> None:
    read = TypeAdapter(AnyPhantom)
    assert read.validate_python({"patients": 60}) == PhantomOptions(patients=60)
    assert read.validate_python({"kind": "radiograph"}) == PhantomOptions()
    assert read.validate_python({"kind": "ct", "matrix": 32}) == CTOptions(matrix=32)
    for wrong in ({"kind": "mr"}, {"matrix": 32}, {"kind": "ct", "image_px": 96}):
        with pytest.raises(ValidationError):
            read.validate_python(wrong)
