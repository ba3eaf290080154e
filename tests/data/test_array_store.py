"""The array store: what goes in comes out, in any order, however many shards."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medtrimix.config.files import read_json, write_json
from medtrimix.data import store_writer
from medtrimix.data.store import ArrayStore, is_finished
from medtrimix.data.store_writer import JOURNAL, StoreWriter
from medtrimix.errors import StepFailed

COLUMNS = {"sample_id": str, "label": str, "rows": int, "spacing_mm": float}


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (23, 1, 4, 5), dtype=np.uint8)


def row(number: int) -> dict[str, object]:
    spacing = math.nan if number == 0 else 0.5
    return {"sample_id": f"s{number}", "label": ("b", "a", "")[number % 3], "rows": number, "spacing_mm": spacing}


def written(folder: Path, images: np.ndarray, *, per_unit: int = 1) -> ArrayStore:
    with StoreWriter(folder, image_shape=images.shape[1:], dtype=images.dtype, columns=COLUMNS) as writer:
        for start in range(0, len(images), per_unit):
            unit = range(start, min(start + per_unit, len(images)))
            writer.add([images[number] for number in unit], rows=[row(number) for number in unit], note=None)
    return ArrayStore.open(folder)


@pytest.mark.parametrize("per_unit", [1, 3])
@pytest.mark.parametrize("shard_rows", [1, 4, 23, 100])
def test_images_come_back_in_the_asked_order(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch, shard_rows: int, per_unit: int
) -> None:
    monkeypatch.setattr(store_writer, "_SHARD_BYTES", shard_rows * 20)
    store = written(tmp_path, images, per_unit=per_unit)
    shards = sorted(tmp_path.glob("images-*.npy"))
    assert len(shards) == -(-23 // shard_rows)
    np.testing.assert_array_equal(np.concatenate([np.load(shard) for shard in shards]), images)
    rows = np.random.default_rng(1).permutation(23)[:17]
    np.testing.assert_array_equal(store.images(rows), images[rows])
    assert store.image_shape == (1, 4, 5)
    assert len(store) == 23


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_volumes_of_any_pixel_type(tmp_path: Path, dtype: str) -> None:
    volumes = np.random.default_rng(0).integers(0, 100, (5, 2, 3, 4, 5)).astype(dtype)
    store = written(tmp_path, volumes)
    found = store.images(np.arange(5))
    np.testing.assert_array_equal(found, volumes)
    assert found.dtype == dtype


def test_the_index_keeps_types_and_gaps(tmp_path: Path, images: np.ndarray) -> None:
    index = written(tmp_path, images).index
    assert list(index.columns) == list(COLUMNS)
    assert [str(kind) for kind in index.dtypes[["rows", "spacing_mm"]]] == ["int64", "float64"]
    assert index["sample_id"].tolist() == [f"s{number}" for number in range(23)]
    assert math.isnan(index["spacing_mm"][0])
    assert index["spacing_mm"][1] == 0.5


def test_columns_are_read_as_asked(tmp_path: Path, images: np.ndarray) -> None:
    store = written(tmp_path, images)
    assert list(store.columns("rows", "label").columns) == ["rows", "label"]
    assert store.columns("rows")["rows"].tolist() == list(range(23))


def test_an_index_of_many_chunks_is_one_index(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_writer, "_INDEX_CHUNK", 5)
    store = written(tmp_path, images)
    assert store.columns("rows")["rows"].tolist() == list(range(23))
    assert store.targets(np.arange(23)).tolist() == [(1, 0, -1)[number % 3] for number in range(23)]


def test_classes_are_sorted_and_unlabelled_rows_have_none(tmp_path: Path, images: np.ndarray) -> None:
    store = written(tmp_path, images)
    assert store.classes == ("a", "b")
    assert store.targets(np.array([0, 1, 2])).tolist() == [1, 0, -1]


def test_a_store_that_was_cut_off_does_not_open(tmp_path: Path, images: np.ndarray) -> None:
    writer = StoreWriter(tmp_path, image_shape=(1, 4, 5), dtype="uint8", columns=COLUMNS)
    writer.add([images[0]], rows=[row(0)], note=None)
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not is_finished(tmp_path)
    with pytest.raises(FileNotFoundError):
        ArrayStore.open(tmp_path)


def test_a_finished_store_has_nothing_but_its_parts(tmp_path: Path, images: np.ndarray) -> None:
    written(tmp_path, images)
    assert {path.name for path in tmp_path.iterdir()} == {"images-00000.npy", "index.parquet", "store.json"}
    assert is_finished(tmp_path)
    assert not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize("part", ["images-00000.npy", "index.parquet", "store.json"])
def test_a_store_that_lost_a_part_is_not_finished(tmp_path: Path, images: np.ndarray, part: str) -> None:
    written(tmp_path, images)
    (tmp_path / part).unlink()
    assert not is_finished(tmp_path)


def test_another_format_is_refused(tmp_path: Path, images: np.ndarray) -> None:
    written(tmp_path, images)
    write_json(tmp_path / "store.json", read_json(tmp_path / "store.json") | {"format": 99})
    with pytest.raises(StepFailed, match="format 99"):
        ArrayStore.open(tmp_path)


def test_changing_a_copy_does_not_change_the_store(tmp_path: Path, images: np.ndarray) -> None:
    store = written(tmp_path, images)
    store.images(np.array([0]))[:] = 7
    np.testing.assert_array_equal(store.images(np.array([0])), images[:1])


def test_opening_and_the_images_need_no_tables(tmp_path: Path, images: np.ndarray) -> None:
    written(tmp_path, images)
    probe = (
        "import sys, pathlib, numpy; from medtrimix.data.store import ArrayStore;"
        "store = ArrayStore.open(pathlib.Path(sys.argv[1])); store.images(numpy.arange(3)); len(store);"
        "print(*{'pandas', 'pyarrow'} & sys.modules.keys());"
        "store.classes; print(*{'pandas'} & sys.modules.keys());"
        "store.index; print(*{'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", probe, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "", "pandas"]
