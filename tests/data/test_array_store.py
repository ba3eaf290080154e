"""The array store: what goes in comes out, in any order, however many shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medtrimix.config.files import read_json, write_json
from medtrimix.data import store as store_module
from medtrimix.data.store import ArrayStore, StoreWriter
from medtrimix.errors import StepFailed


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (23, 1, 4, 5), dtype=np.uint8)


def written(folder: Path, images: np.ndarray) -> ArrayStore:
    with StoreWriter(folder, image_shape=images.shape[1:], dtype="uint8") as writer:
        for number, image in enumerate(images):
            writer.add(image, row={"sample_id": f"s{number}", "label": ("b", "a", "")[number % 3]})
    return ArrayStore.open(folder)


@pytest.mark.parametrize("shard_rows", [1, 4, 23, 100])
def test_images_come_back_in_the_asked_order(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch, shard_rows: int
) -> None:
    monkeypatch.setattr(store_module, "_SHARD_BYTES", shard_rows * 20)
    store = written(tmp_path, images)
    assert len(list(tmp_path.glob("images-*.npy"))) == -(-23 // shard_rows)
    rows = np.random.default_rng(1).permutation(23)[:17]
    np.testing.assert_array_equal(store.images(rows), images[rows])
    assert store.image_shape == (1, 4, 5)


def test_classes_are_sorted_and_unlabelled_rows_have_none(tmp_path: Path, images: np.ndarray) -> None:
    store = written(tmp_path, images)
    assert store.classes == ("a", "b")
    assert store.targets(np.array([0, 1, 2])).tolist() == [1, 0, -1]


def test_a_store_that_was_cut_off_does_not_open(tmp_path: Path, images: np.ndarray) -> None:
    writer = StoreWriter(tmp_path, image_shape=(1, 4, 5), dtype="uint8")
    writer.add(images[0], row={"sample_id": "s", "label": ""})
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with pytest.raises(FileNotFoundError):
        ArrayStore.open(tmp_path)


def test_another_format_is_refused(tmp_path: Path, images: np.ndarray) -> None:
    written(tmp_path, images)
    write_json(tmp_path / "store.json", read_json(tmp_path / "store.json") | {"format": 99})
    with pytest.raises(StepFailed, match="format 99"):
        ArrayStore.open(tmp_path)


def test_changing_a_copy_does_not_change_the_store(tmp_path: Path, images: np.ndarray) -> None:
    store = written(tmp_path, images)
    store.images(np.array([0]))[:] = 7
    np.testing.assert_array_equal(store.images(np.array([0])), images[:1])
