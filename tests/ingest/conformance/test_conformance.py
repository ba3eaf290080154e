"""Every case of the table is read as its truth says, and the judge of it sees what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from case import Case
from cases import CASES, SECTIONS
from judge import RIGHT, Content, Grid, difference, picture_difference, volume_difference, window_difference
from made_series import OBLIQUE, Lattice
from oracles import grid_by_dicom2nifti, grid_by_highdicom, grid_by_itk
from readers import medtrimix

from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Outcome
from medtrimix.ingest.source import ingest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "conformance.md"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_conformance(case: Case, tmp_path: Path) -> None:
    path, truth = case.make(tmp_path)
    found = medtrimix(path, options=case.options)
    assert difference(found, truth=truth) == RIGHT
    assert difference(_slightly_wrong(found, by=truth.tolerance + 1), truth=truth) != RIGHT


def _slightly_wrong(found: Content, *, by: float) -> Content:
    """The last picture, volume or verdict is not what it was."""
    if found.pictures:
        wrong = found.pictures[-1].astype(np.float64)
        wrong.flat[-1] += by
        return replace(found, pictures=(*found.pictures[:-1], wrong))
    if found.volumes:
        values = found.volumes[-1].values.astype(np.float64)
        values.flat[-1] += by
        return replace(found, volumes=(*found.volumes[:-1], replace(found.volumes[-1], values=values)))
    return replace(found, refused=found.refused[1:])


def test_the_table_is_as_large_as_it_says_and_has_no_name_twice() -> None:
    assert len(CASES) == sum(len(section) for section in SECTIONS.values())
    assert len(CASES) >= 200


@pytest.mark.parametrize(
    "name",
    [
        "JPEG 2000 lossless (693_J2KR)",
        "two frames, RGB (SC_rgb_2frame)",
        "a localizer in the series",
        "one slice cut off",
        "real functional MR, 20 time points (functional)",
    ],
)
def test_through_the_decoding_processes_each_file_gets_one_verdict(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    path, truth = CASES[name].make(source)
    if path.parent != source and path != source:
        (source / path.name).write_bytes(path.read_bytes())
    options = CASES[name].options.model_copy(update={"source": str(source), "missing_patient": "by_study"})
    outcomes: list[Outcome] = list(ingest(options, pseudonyms=Pseudonyms(bytes(32)), workers=1))
    assert sum(len(outcome.samples) for outcome in outcomes) == len(truth.pictures) + len(truth.volumes)
    refusals = [refusal for outcome in outcomes for refusal in outcome.refusals]
    assert Counter(refusal.verdict for refusal in refusals) == Counter(truth.refused)
    files = sum(1 for file in source.rglob("*") if file.is_file())
    assert sum(outcome.accepted_files for outcome in outcomes) + len(refusals) == files


@pytest.mark.parametrize(
    "name",
    [
        "axial CT",
        "InstanceNumber scrambled",
        "sagittal",
        "coronal",
        "oblique in two angles",
        "rows and columns of different spacing",
        "signed values, padding -2000",
        "rescale differs from slice to slice (PET)",
    ],
)
def test_simpleitk_believes_the_making_of_series(name: str, tmp_path: Path) -> None:
    folder, truth = CASES[name].make(tmp_path)
    assert volume_difference(grid_by_itk(*folder.iterdir()), truth.volumes[0], tolerance=1e-3) == RIGHT


@pytest.mark.parametrize(
    "name", ["enhanced CT", "frames in no order", "rescale differs from frame to frame", "oblique frames"]
)
def test_highdicom_believes_the_making_of_enhanced_objects(name: str, tmp_path: Path) -> None:
    path, truth = CASES[name].make(tmp_path)
    assert volume_difference(grid_by_highdicom(path), truth.volumes[0]) == RIGHT


@pytest.mark.parametrize("name", ["axial CT", "sagittal", "oblique in two angles"])
def test_dicom2nifti_believes_the_making_of_series(name: str, tmp_path: Path) -> None:
    folder, truth = CASES[name].make(tmp_path)
    assert volume_difference(grid_by_dicom2nifti(folder), truth.volumes[0], tolerance=1e-3) == RIGHT


def test_the_page_shows_this_table_and_nothing_wrong_of_ours() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = {row[0].removeprefix("| "): row[2] for row in rows if len(row) == 5}
    for name in CASES:
        assert cells[name.replace("|", "/")].startswith(RIGHT), name


RAMP_HW = np.add.outer(np.arange(8) * 9, np.arange(12) * 14).astype(np.uint8)


@pytest.mark.parametrize(
    "wrong_HW",
    [255 - RAMP_HW, RAMP_HW.T, RAMP_HW[::-1], RAMP_HW + np.eye(8, 12), np.dstack([RAMP_HW] * 3)],
    ids=["inverted", "transposed", "upside down", "one grey level", "colour"],
)
def test_pictures_that_differ(wrong_HW: np.ndarray) -> None:
    assert picture_difference(RAMP_HW, RAMP_HW) == RIGHT
    assert picture_difference(wrong_HW, RAMP_HW) != RIGHT


GRID = Lattice(orientation=OBLIQUE).grid
ONE_MM_RIGHT = np.eye(4) + np.outer([1, 0, 0, 0], [0, 0, 0, 1])


@pytest.mark.parametrize(
    "wrong",
    [
        Grid(GRID.values[..., ::-1], GRID.affine),
        Grid(GRID.values[::-1], GRID.affine),
        Grid(GRID.values[:, :, [0, 2, 1, 3, 4, 5, 6, 7]], GRID.affine),
        Grid(GRID.values, 0.01 * ONE_MM_RIGHT @ GRID.affine + 0.99 * GRID.affine),
        Grid(GRID.values, np.diag([-1.0, -1.0, 1.0, 1.0]) @ GRID.affine),
        Grid(GRID.values, GRID.affine @ np.diag([1, 1, 1.001, 1])),
        Grid(GRID.values + 1024, GRID.affine),
        Grid(GRID.values[..., 1:], GRID.affine),
        Grid(GRID.values.swapaxes(0, 1), GRID.affine),
        Grid(np.where(GRID.values == 0, np.nan, GRID.values), GRID.affine),
    ],
    ids=[
        "slices reversed",
        "left and right",
        "two slices swapped",
        "0.01 mm aside",
        "LPS for RAS",
        "spacing",
        "1024 HU",
        "a slice less",
        "rows for columns",
        "NaN",
    ],
)
def test_volumes_that_differ(wrong: Grid) -> None:
    assert volume_difference(wrong, GRID) != RIGHT
    assert difference(Content(volumes=(wrong,)), truth=Content(volumes=(GRID,))) != RIGHT


def test_the_same_volume_in_another_order_of_memory_is_right() -> None:
    backwards = GRID.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 7], [0, 0, 0, 1]])
    turned = Grid(GRID.values[..., ::-1].transpose(2, 0, 1), backwards[:, [2, 0, 1, 3]])
    assert volume_difference(turned, GRID) == RIGHT


def test_readers_of_values_are_right_up_to_a_linear_window() -> None:
    values = np.add.outer(np.arange(40) * 30, np.arange(50) * 11)
    shown = np.rint(np.clip((values - 200) / 1200 * 255, 0, 255)).astype(np.uint8)
    assert window_difference(values, shown) == RIGHT
    assert window_difference(-values, shown) == "inverted"
    assert window_difference(np.sqrt(values), shown) != RIGHT
    assert window_difference(values[::-1], shown) != RIGHT
    assert window_difference(values, np.dstack([shown] * 3)) != RIGHT
