"""Squares that cover an image, and the map that is made of what they were worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medtrimix.data.covered import CELLS, SQUARES, CoveredImages, as_map
from medtrimix.data.store import ArrayStore
from medtrimix.data.store_writer import StoreWriter


def store_of(folder: Path, shape: tuple[int, ...]) -> ArrayStore:
    generator = np.random.default_rng(0)
    with StoreWriter(folder, image_shape=shape, dtype="uint8", columns={"sample_id": str}) as writer:
        for number in range(3):
            image = generator.integers(1, 255, shape, dtype=np.uint8)
            writer.add([image], rows=[{"sample_id": str(number)}], note=None)
    return ArrayStore.open(folder)


@pytest.mark.parametrize("shape", [(1, 16, 24), (3, 30, 20), (1, 6, 16, 16)])
def test_each_square_covers_two_cells_by_two_and_the_last_row_none(tmp_path: Path, shape: tuple[int, ...]) -> None:
    store = store_of(tmp_path / "store", shape)
    pictures = CoveredImages(store, row_N=np.array([2, 0]), fill_C=[0] * shape[0])
    original = store.images(np.array([0]))[0]
    found = pictures.images(pictures.covered(1))
    assert len(found) == SQUARES + 1
    np.testing.assert_array_equal(found[-1], original)
    covered_SHW = (found[:-1] == 0).reshape(SQUARES, -1, *shape[-2:])
    assert (covered_SHW.all(axis=1) == covered_SHW.any(axis=1)).all(), "all channels and slices alike"
    seen = covered_SHW.any(axis=0)
    assert seen.all(), "every pixel is under some square"
    for square, covered_HW in enumerate(covered_SHW[:, 0]):
        y, x = divmod(square, CELLS - 1)
        rows, columns = (np.flatnonzero(covered_HW.any(axis=axis)) for axis in (1, 0))
        assert covered_HW.sum() == len(rows) * len(columns), "a rectangle"
        for places, start, side in ((rows, y, shape[-2]), (columns, x, shape[-1])):
            assert places[0] == round(start * side / CELLS)
            assert places[-1] + 1 == round((start + 2) * side / CELLS)
    kept = np.where(covered_SHW.reshape(found[:-1].shape), 0, original)
    np.testing.assert_array_equal(found[:-1], kept)


def test_rows_of_the_store_are_as_they_were(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", (1, 16, 16))
    pictures = CoveredImages(store, row_N=np.array([1]), fill_C=[9])
    rows = np.array([2, 0])
    np.testing.assert_array_equal(pictures.images(rows), store.images(rows))
    assert not pictures.is_covered(rows)
    assert pictures.is_covered(pictures.covered(0))


def test_a_map_is_the_mean_over_the_squares_of_a_cell() -> None:
    np.testing.assert_allclose(as_map(np.full(SQUARES, 2.5)), 2.5)
    one = np.zeros(SQUARES)
    one[0] = 1.0  # the square in the corner: its corner cell is its own, the inmost is shared by four
    found = as_map(one)
    assert (found[0, 0], found[0, 1], found[1, 0], found[1, 1]) == (1.0, 0.5, 0.5, 0.25)
    assert found[2:].sum() == found[:, 2:].sum() == 0
