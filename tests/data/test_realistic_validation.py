"""Validation that is no larger than the label budget: at most so many, nested, stratified."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from cohorts import cohorts, index_of
from hypothesis import given, settings
from hypothesis import strategies as st

from medtrimix.data.subsets import realistic_validation

sizes = st.integers(1, 60)
seeds = st.integers(0, 1000)


def labelled(index: pd.DataFrame) -> np.ndarray:
    return np.flatnonzero(index["label"] != "")


@given(index=cohorts(), seed=seeds, most=st.lists(sizes, min_size=2, max_size=4))
@settings(max_examples=25, deadline=None)
def test_at_most_so_many_of_each_class_some_and_nested(index: pd.DataFrame, seed: int, most: list[int]) -> None:
    rows = labelled(index)
    classes = index["label"].iloc[rows].nunique()
    subsets = [realistic_validation(index, rows, most=size, seed=seed) for size in sorted(most)]
    for size, subset in zip(sorted(most), subsets, strict=True):
        assert len(subset) == min(len(rows), max(size, classes))
        assert set(subset) <= set(rows)
        assert index["label"].iloc[subset].nunique() == classes
    assert all(set(small) <= set(large) for small, large in pairwise(subsets))


@pytest.mark.parametrize("most", range(2, 101))
def test_each_class_has_its_share_at_any_size(most: int) -> None:
    index = index_of([f"p{row}" for row in range(100)], ["a"] * 26 + ["b"] * 74)
    taken = index["label"].iloc[realistic_validation(index, np.arange(100), most=most, seed=3)].value_counts()
    assert abs(taken["a"] - 0.26 * most) <= 1
    assert taken.sum() == most


def test_a_random_order_would_fail_that_test() -> None:
    order = np.random.default_rng(0).permutation(["a"] * 26 + ["b"] * 74)
    assert any(abs((order[:most] == "a").sum() - 0.26 * most) > 1 for most in range(2, 101))


def test_seeds_draw_other_images_and_the_order_of_rows_does_not_matter() -> None:
    index = index_of([f"p{row}" for row in range(100)], ["a", "b"] * 50)
    one, other = (realistic_validation(index, np.arange(100), most=10, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(realistic_validation(index, np.arange(100)[::-1], most=10, seed=1), one)
    shuffled = np.random.default_rng(0).permutation(100)
    again = realistic_validation(index.iloc[shuffled].reset_index(drop=True), np.arange(100), most=10, seed=1)
    assert set(shuffled[again]) == set(one)
