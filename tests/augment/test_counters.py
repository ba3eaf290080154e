"""The counter-based generator: known outputs, uniform, independent of its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medtrimix.augment.counters import splitmix64, uniforms

GOLDEN = 0x9E3779B97F4A7C15


def drawn(count: int = 4, *, seed: int = 1, epoch: int = 0, rows: int = 4_000, view: int = 0) -> np.ndarray:
    return uniforms(count, seed=seed, epoch=epoch, rows_B=np.arange(rows), view=view)


def test_known_outputs() -> None:
    """The first numbers of Vigna's splitmix64.c for seed 1234567, as many languages' implementations check them."""
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    counters = np.array([(1234567 + n * GOLDEN) % 2**64 for n in range(5)], dtype=np.uint64)
    assert splitmix64(counters).tolist() == expected


def assert_uniform(values: np.ndarray) -> None:
    counts, _ = np.histogram(values, bins=50, range=(0, 1))
    assert values.min() >= 0
    assert values.max() < 1
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("seed", [0, 1, 2**62])
def test_uniform_in_every_direction(seed: int) -> None:
    """Over rows, and over epochs and views of one row: each is a sequence that a training goes through."""
    assert_uniform(drawn(seed=seed).ravel())
    for column in drawn(seed=seed).T:
        assert_uniform(column)
    assert_uniform(np.concatenate([drawn(seed=seed, epoch=epoch, rows=2)[1] for epoch in range(2_000)]))
    assert_uniform(np.concatenate([drawn(seed=seed, view=view, rows=2)[1] for view in range(2_000)]))
    assert_uniform(np.concatenate([drawn(seed=seed + n, rows=2)[1] for n in range(2_000)]))


@pytest.mark.parametrize("values", [np.linspace(0, 1, 2_000, endpoint=False) ** 1.5, np.arange(1, 2_001) / 2_000])
def test_numbers_that_are_not_uniform_are_caught(values: np.ndarray) -> None:
    with pytest.raises(AssertionError):
        assert_uniform(values)


def test_neighbours_are_independent() -> None:
    """No correlation beyond chance, 5 / sqrt(4,000), with the next row, column, epoch, view or seed."""
    first = drawn()
    neighbours = (
        np.roll(first, 1, axis=0),
        np.roll(first, 1, axis=1),
        drawn(epoch=1),
        drawn(view=1),
        drawn(seed=2),
    )
    for other in neighbours:
        for a, b in zip(first.T, other.T, strict=True):
            assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(len(a))


def test_no_number_comes_twice() -> None:
    everything = [
        drawn(8, epoch=epoch, view=view, seed=seed) for epoch in range(3) for view in range(3) for seed in (1, 2)
    ]
    assert len(np.unique(everything)) == np.size(everything)
