"""Label budgets: nested, stratified, the same for everybody who asks."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from cohorts import cohorts, index_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from medtrimix.data.options import LabelBudget, budget_name
from medtrimix.data.subsets import label_subset
from medtrimix.errors import LabelBudgetError

BUDGET: TypeAdapter[int | float] = TypeAdapter(LabelBudget)
fractions = st.floats(0.001, 1.0)
seeds = st.integers(0, 1000)


def is_nested(subsets: list[np.ndarray]) -> bool:
    return all(set(small) <= set(large) for small, large in pairwise(subsets))


@given(index=cohorts(), seed=seeds, shares=st.lists(fractions, min_size=2, max_size=5))
@settings(max_examples=25, deadline=None)
def test_smaller_budgets_lie_inside_larger_ones(index: pd.DataFrame, seed: int, shares: list[float]) -> None:
    rows = np.arange(len(index))
    assert is_nested([label_subset(index, rows, budget=share, seed=seed) for share in sorted(shares)])
    assert is_nested([label_subset(index, rows, budget=count, seed=seed) for count in (1, 2, 5)])
    # A count lies inside every fraction that takes as many of each class, and the other way round.
    smallest = index.loc[index["label"] != "", "label"].value_counts().min()
    assert is_nested([label_subset(index, rows, budget=budget, seed=seed) for budget in (1, shares[0])])
    assert is_nested([label_subset(index, rows, budget=budget, seed=seed) for budget in (int(smallest), 1.0)])


def test_independent_draws_fail_that_test() -> None:
    index = index_of([f"p{row}" for row in range(100)], ["a", "b"] * 50)
    other_seed = [label_subset(index, np.arange(100), budget=share, seed=int(100 * share)) for share in (0.1, 0.2)]
    assert not is_nested(other_seed)


@given(index=cohorts(), seed=seeds, share=fractions)
@settings(max_examples=25, deadline=None)
def test_each_class_gives_its_share_and_at_least_one(index: pd.DataFrame, seed: int, share: float) -> None:
    rows = np.arange(len(index))
    taken = index.iloc[label_subset(index, rows, budget=share, seed=seed)]
    available = index.loc[index["label"] != "", "label"].value_counts()
    expected = {name: max(1, math.floor(share * count + 0.5)) for name, count in available.items()}
    assert taken["label"].value_counts().to_dict() == expected


@given(index=cohorts(), seed=seeds, share=fractions)
@settings(max_examples=25, deadline=None)
def test_only_labelled_training_rows_are_taken_each_once(index: pd.DataFrame, seed: int, share: float) -> None:
    train = np.flatnonzero(np.random.default_rng(seed).random(len(index)) < 0.7)
    rows = label_subset(index, train, budget=share, seed=seed)
    assert set(rows) <= set(train)
    assert (np.diff(rows) > 0).all()
    assert (index["label"].iloc[rows] != "").all()


@given(index=cohorts(), seed=seeds, share=fractions)
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_does_not_matter(index: pd.DataFrame, seed: int, share: float) -> None:
    """So every arm, whatever order it asks in, learns from the same images."""
    order = np.random.default_rng(seed).permutation(len(index))
    straight = label_subset(index, np.arange(len(index)), budget=share, seed=seed)
    np.testing.assert_array_equal(label_subset(index, order, budget=share, seed=seed), straight)
    shuffled = index.iloc[order]
    again = label_subset(shuffled, np.arange(len(index)), budget=share, seed=seed)
    assert set(shuffled["sample_id"].iloc[again]) == set(index["sample_id"].iloc[straight])


def test_one_is_one_per_class_and_one_point_zero_is_all() -> None:
    index = index_of([f"p{row}" for row in range(30)], ["a"] * 20 + ["b"] * 10)
    assert len(label_subset(index, np.arange(30), budget=1, seed=0)) == 2
    assert len(label_subset(index, np.arange(30), budget=1.0, seed=0)) == 30


def test_label_seeds_differ() -> None:
    index = index_of([f"p{row}" for row in range(100)], ["a", "b"] * 50)
    subsets = {tuple(label_subset(index, np.arange(100), budget=3, seed=seed)) for seed in range(20)}
    assert len(subsets) == 20


def test_every_image_has_the_same_chance() -> None:
    index = index_of([f"p{row}" for row in range(40)], ["a", "b"] * 20)
    taken = np.concatenate([label_subset(index, np.arange(40), budget=0.25, seed=seed) for seed in range(200)])
    chance = np.bincount(taken, minlength=40) / 200
    assert np.abs(chance - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 200)


def test_an_impossible_budget_is_an_error_with_the_numbers() -> None:
    index = index_of([f"p{row}" for row in range(12)], ["a"] * 9 + ["b"] * 3)
    with pytest.raises(LabelBudgetError, match=r"5 per class .* the 3 labelled training images of class 'b'.* is 3\."):
        label_subset(index, np.arange(12), budget=5, seed=0)


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("1.0", 1.0), ("0.01", 0.01), ("25", 25), ("5e-3", 0.005)])
def test_budgets_keep_their_kind(text: str, value: float) -> None:
    read = BUDGET.validate_json(text, strict=True)
    assert (read, type(read)) == (value, type(value))
    assert json.loads(BUDGET.dump_json(read)) == value


@pytest.mark.parametrize("text", ["0", "-1", "0.0", "1.5", "-0.1", "true", '"1%"', "null", "[1]", "NaN"])
def test_what_is_no_budget_is_refused_with_one_message(text: str) -> None:
    with pytest.raises(ValidationError, match="a label budget is a whole number from 1") as caught:
        BUDGET.validate_json(text, strict=True)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    ("budget", "name"), [(1, "1 per class"), (1.0, "100%"), (0.01, "1%"), (0.005, "0.5%"), (0.07, "7%")]
)
def test_names_of_budgets(budget: float, name: str) -> None:
    assert budget_name(budget) == name
