"""The quality page counts what the index says, shows what is stored, and asks nothing of other sites."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from PIL import Image
from stores import made_up, record, write_store
from test_report_files import Reader, asks_outside

from medtrimix.data.store import ArrayStore
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.verdict import Verdict
from medtrimix.report.figures.png import png
from medtrimix.report.quality.facts import (
    Copies,
    copies,
    flag_counts,
    grey_values,
    images_per_patient,
    labels_by_split,
    read_index,
    sample_to_show,
)
from medtrimix.report.quality.figures import tile
from medtrimix.report.quality.page import FLAGS, quality_page, write_quality
from medtrimix.report.quality.verdicts import MEANINGS, counted

VERDICTS = {"accepted": 30, "truncated": 4, "duplicate": 5}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArrayStore:
    return ArrayStore.open(made_up(tmp_path_factory.mktemp("quality") / "store"))


@pytest.fixture(scope="module")
def page(store: ArrayStore, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "quality.html"
    write_quality(store.folder, verdicts=VERDICTS, out=file)
    assert [path.name for path in file.parent.iterdir()] == ["quality.html"]
    return file.read_text()


def test_the_page_fetches_nothing(page: str) -> None:
    assert asks_outside(page) == []
    assert len([tag for tag in Reader(page).tags if tag == "img"]) == 3 + 28


def test_the_page_names_nobody(store: ArrayStore, page: str) -> None:
    """Not even by pseudonym: what the page needs are counts."""
    index = store.index
    for column in ("sample_id", "patient_id", "study_id", "series_id", "pixel_sha256"):
        assert not any(name in page for name in index[column])
    assert str(store.folder) not in page
    assert "dev00001" in page, "but devices have to be told apart"


def test_the_same_store_gives_the_same_page(store: ArrayStore, page: str) -> None:
    assert quality_page(store, verdicts=VERDICTS) == page


def rows_of(page: str) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in Reader(page).rows if row}


def test_the_page_says_what_was_counted(page: str) -> None:
    rows = rows_of(page)
    assert rows["accepted"][:2] == ["30", "76.9%"]
    assert rows["truncated"][:2] == ["4", "10.3%"]
    assert rows["Files refused as duplicates"][0] == "5"
    assert rows["Pictures stored more than once"][0] == "1"
    assert rows["of them under several patients"][0] == "1"
    assert rows["of them with several labels"][0] == "1"
    assert [rows[flag][0] for flag in (Flag.secondary_capture, Flag.head, Flag.lossy)] == ["2", "1", "0"]
    assert rows["Label"] == ["train", "test", "no split"]
    assert rows["mass"] == ["0", "1", "1"]
    assert rows["effusion"] == ["0", "1", "0"]
    assert rows["unlabelled"] == ["1", "0", "0"]
    assert "1 sample was smaller" in page


def test_text_of_labels_is_escaped(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script><img src=http://evil.example/x>'
    images = np.zeros((2, 1, 8, 8), np.uint8)
    folder = write_store(tmp_path / "store", images, records={0: record(0, label=hostile, modality=hostile)})
    assert asks_outside(quality_page(ArrayStore.open(folder), verdicts={"accepted": 2})) == []


def test_labels_that_are_too_many_to_be_classes_are_not_all_listed(tmp_path: Path) -> None:
    records = {number: record(number, label=f"class {number:02d}") for number in range(60)}
    folder = write_store(tmp_path / "store", np.zeros((60, 1, 8, 8), np.uint8), records=records)
    text = quality_page(ArrayStore.open(folder), verdicts={"accepted": 60})
    assert "20 more" in text
    assert text.count("<tr><th>class") == 40


def test_flags_and_copies_are_counted(store: ArrayStore) -> None:
    index = read_index(store)
    assert {flag: count for flag, count in flag_counts(index).items() if count} == {
        Flag.burned_in_text: 1,
        Flag.secondary_capture: 2,
        Flag.head: 1,
    }
    assert copies(index) == Copies(pictures=1, samples=2, of_several_patients=1, contradicting=1)
    assert copies(index.drop(index=4)) == Copies(0, 0, 0, 0)


def test_several_findings_count_each(store: ArrayStore) -> None:
    table = labels_by_split(read_index(store))
    assert list(table) == ["effusion", "mass", "normal", "unlabelled"]
    assert table["normal"] == {"": 27}


def test_every_patient_is_in_one_bucket(store: ArrayStore) -> None:
    found = images_per_patient(read_index(store))
    assert (found["1"], found["2"], sum(found.values())) == (28, 1, 29)


@pytest.mark.parametrize("images", [1, 3, 5, 21, 51, 1000])
def test_buckets_have_no_holes(tmp_path: Path, images: int) -> None:
    records = {number: record(number, patient_id="p") for number in range(images)}
    folder = write_store(tmp_path / "store", np.zeros((images, 1, 1, 1), np.uint8), records=records)
    assert sum(images_per_patient(read_index(ArrayStore.open(folder))).values()) == 1


def test_pictures_that_say_that_they_show_text_are_not_shown(store: ArrayStore) -> None:
    index = read_index(store)
    rows = sample_to_show(index, most=100, seed=0)
    assert rows.tolist() == list(range(2, 30))
    assert len(sample_to_show(index, most=5, seed=0)) == 5
    assert sample_to_show(index, most=5, seed=0).tolist() != sample_to_show(index, most=5, seed=1).tolist()


def test_grey_values_are_those_of_the_images(store: ArrayStore) -> None:
    by_encoding = grey_values(store, read_index(store), by="encoding", most=6, seed=0)
    assert [(grey.kind, grey.images, grey.blank) for grey in by_encoding] == [
        ("explicit_le", 29, 0),
        ("jpeg2000", 1, 1),
    ]
    pixels = store.images(np.arange(1, 30))
    np.testing.assert_allclose(by_encoding[0].share_256, np.bincount(pixels.ravel(), minlength=256) / pixels.size)
    assert by_encoding[0].mean == pytest.approx(pixels.mean())
    assert by_encoding[1].share_256[7] == 1


def test_grey_values_of_many_images_are_those_of_a_sample(store: ArrayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medtrimix.report.quality.facts._LOOKED_AT", 10)
    found = grey_values(store, read_index(store), by="modality", most=6, seed=0)
    assert [(grey.kind, grey.images) for grey in found] == [("CR", 5), ("CT", 1)]


def test_the_sample_on_the_page_is_what_is_stored(store: ArrayStore, page: str) -> None:
    addresses = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(address)))) for address in addresses]
    np.testing.assert_array_equal(np.stack(shown), store.images(np.arange(2, 30))[:, 0])


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (300, 2), (7, 5, 3)])
def test_png_is_read_by_others_as_it_was(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)
    assert matplotlib.image.imread(io.BytesIO(png(pixels))).shape == shape


def test_a_large_picture_is_averaged_down() -> None:
    image = np.zeros((1, 400, 300), np.uint8)
    image[:, ::3] = 90
    found = tile(image)
    assert found.shape == (133, 100)
    assert (found == 30).all()


def test_colours_stay_colours() -> None:
    image = np.zeros((3, 200, 200), np.uint8)
    image[1] = 200
    assert tile(image).shape == (100, 100, 3)
    assert (tile(image) == (0, 200, 0)).all()


def test_a_volume_shows_its_three_middle_planes() -> None:
    volume = np.zeros((1, 4, 6, 10), np.uint8)
    volume[0, 2], volume[0, 3], volume[0, :, 3, 0], volume[0, 0, :, 5] = 10, 20, 30, 40
    found = tile(volume)
    assert found.shape == (6, 10 + 2 + 10 + 2 + 6)
    np.testing.assert_array_equal(found[:, :10], volume[0, 2])
    np.testing.assert_array_equal(found[:4, 12:22], volume[0, ::-1, 3])
    np.testing.assert_array_equal(found[:4, 24:], volume[0, ::-1, :, 5])
    assert found[0, 13] == 20, "the last slice is on top"


def test_a_page_of_volumes(tmp_path: Path) -> None:
    volumes = np.random.default_rng(0).integers(0, 256, (4, 1, 5, 6, 7), dtype=np.uint8)
    folder = write_store(tmp_path / "store", volumes, records={})
    text = quality_page(ArrayStore.open(folder), verdicts={"accepted": 20})
    assert "the last slice on top" in text
    assert asks_outside(text) == []


def test_every_verdict_and_every_flag_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Verdict)
    assert set(FLAGS) == set(Flag)


def test_accepted_comes_first_then_the_most_frequent() -> None:
    found = [(name, count) for name, count, _ in counted({"gap": 1, "tilt": 9, "accepted": 2, "memory": 1})]
    assert found == [("accepted", 2), ("tilt", 9), ("gap", 1), ("memory", 1)]


def test_pictures_can_be_left_out(store: ArrayStore, page: str) -> None:
    without = quality_page(store, verdicts=VERDICTS, pictures=False)
    assert "data:image/png" in page
    assert "data:image/png" not in without
    assert len([tag for tag in Reader(without).tags if tag == "img"]) == 3
