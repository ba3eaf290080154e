"""The audit of labelled subsets: nothing to say about those that medtrimix draws, and each flaw is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cohorts import cohorts, index_of
from hypothesis import given, settings
from hypothesis import strategies as st

from medtrimix.data.subset_audit import Subset, audit_subsets
from medtrimix.data.subsets import label_subset
from medtrimix.pipeline.study import LearnOptions

INDEX = index_of([f"p{row}" for row in range(40)], ["a", "b"] * 18 + ["a", "b", "", ""])
SPLIT = pd.Series(["train"] * 30 + ["test"] * 6 + ["train"] * 4)


def found(**rows: list[int]) -> list[tuple[str, ...]]:
    """Where findings are, for subsets of 10% (`small`) and 20% (`large`) of seed 0."""
    budgets = {"small": 0.1, "large": 0.2}
    subsets = [Subset(budgets[name], 0, np.array(own)) for name, own in rows.items()]
    return [finding.sides for finding in audit_subsets(INDEX, SPLIT, subsets=subsets)]


@given(index=cohorts(), seed=st.integers(0, 1000), shares=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_subsets_of_our_own_are_what_they_should_be(index: pd.DataFrame, seed: int, shares: list[float]) -> None:
    split = pd.Series(np.random.default_rng(seed).choice(["train", "train", "val", "test"], len(index)))
    split[index["label"].drop_duplicates().index] = "train"
    train = np.flatnonzero(split == "train")
    subsets = [
        Subset(budget, number, label_subset(index, train, budget=budget, seed=number))
        for budget in (*dict.fromkeys(shares), 1)
        for number in (seed, seed + 1)
    ]
    assert audit_subsets(index, split, subsets=subsets) == ()


def test_a_clean_pair() -> None:
    """Train has 16 labelled rows of each class, of which 10% are 2 and 20% are 3."""
    assert found(small=[0, 2, 1, 3], large=[0, 2, 4, 1, 3, 5]) == []


def test_rows_outside_train_or_without_label_are_found() -> None:
    assert found(small=[0, 2, 1, 31]) == [("10%, seed 0", "test")]
    assert ("10%, seed 0", "train") in found(small=[0, 2, 1, 38]), "the row without a label"


def test_what_is_not_stratified_is_found() -> None:
    assert found(small=[0, 2, 4, 1]) == [("10%, seed 0", "not stratified")]
    assert found(small=[0, 0, 1, 3]) == [("10%, seed 0", "not stratified")], "a row twice"


def test_what_is_not_nested_is_found_and_named() -> None:
    subsets = [Subset(0.1, 0, np.array([0, 1, 2, 3])), Subset(0.2, 0, np.array([2, 3, 4, 5, 6, 7]))]
    [finding] = audit_subsets(INDEX, SPLIT, subsets=subsets)
    assert finding.sides == ("10%", "not in 20%")
    assert finding.samples == ("s0000", "s0001")
    other_seed = [Subset(0.1, 0, np.array([0, 1, 2, 3])), Subset(0.2, 1, np.array([2, 3, 4, 5, 6, 7]))]
    assert audit_subsets(INDEX, SPLIT, subsets=other_seed) == (), "other seeds draw anew"


def test_one_label_of_each_class_and_all_labels_are_two_budgets() -> None:
    """1 == 1.0 in Python: kept in a dictionary, one would take the other's place and be refused for it."""
    train = np.flatnonzero(SPLIT == "train")
    subsets = [Subset(budget, 0, label_subset(INDEX, train, budget=budget, seed=0)) for budget in (1, 1.0)]
    assert [len(subset.row_N) for subset in subsets] == [2, 32]
    assert audit_subsets(INDEX, SPLIT, subsets=subsets) == ()
    options = LearnOptions(label_budgets=(1, 1.0), label_seeds=(7, 2))
    assert [options.seeds_of(budget) for budget in options.label_budgets] == [7, 2]
