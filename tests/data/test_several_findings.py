"""Labels of several findings: each is a question of its own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohorts import index_of
from hypothesis import given, settings
from hypothesis import strategies as st

from medtrimix.data.options import SplitOptions
from medtrimix.data.split import split_by_patient
from medtrimix.data.store import ArrayStore
from medtrimix.data.store_writer import StoreWriter
from medtrimix.data.subset_audit import Subset, audit_subsets
from medtrimix.data.subsets import label_subset, realistic_validation
from medtrimix.errors import InputError, LabelBudgetError
from medtrimix.findings import are_several, classes_of, present

NAMES = ("edema", "mass", "nodule")


@st.composite
def labels(draw: st.DrawFn) -> list[str]:
    """60 to 150 images; each finding and its absence occur; some images are unlabelled, some have several findings."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(60, 150))
    has_NL = rng.random((count, len(NAMES))) < np.array([0.4, 0.2, 0.1])
    texts = ["|".join(np.array(NAMES)[row]) or "none" for row in has_NL]
    texts[:5] = ["edema|mass", "mass|nodule", "edema|mass|nodule", "none", ""]
    return texts


def index_with(texts: list[str]) -> pd.DataFrame:
    return index_of([f"p{row:03}" for row in range(len(texts))], texts)


def carriers(texts: list[str], rows: np.ndarray, name: str) -> int:
    return sum(name in present(texts[row]) for row in rows)


def test_names_come_from_the_labels() -> None:
    texts = ["mass|edema", "none", "", "nodule"]
    assert are_several(texts)
    assert classes_of(texts) == NAMES
    assert not are_several(["mass", "none", ""])
    assert classes_of(["mass", "none", ""]) == ("mass", "none")  # never two at once: classes like others
    assert present("none") == present("") == ()


def test_targets_are_a_row_of_zeros_and_ones(tmp_path: Path) -> None:
    texts = ["mass|edema", "none", "", "nodule"]
    with StoreWriter(tmp_path / "s", image_shape=(1, 2, 2), dtype="uint8", columns={"label": str}) as writer:
        for text in texts:
            writer.add([np.zeros((1, 2, 2), np.uint8)], rows=[{"label": text}], note=None)
    store = ArrayStore.open(tmp_path / "s")
    assert store.several_findings
    assert store.classes == NAMES
    rows = np.array([3, 0, 2, 1])
    assert store.targets(rows).tolist() == [[0, 0, 1], [1, 1, 0], [-1, -1, -1], [0, 0, 0]]
    assert store.labelled(rows).tolist() == [3, 0, 1]


@given(texts=labels(), seed=st.integers(0, 1000), shares=st.lists(st.floats(0.01, 1.0), min_size=2, max_size=4))
@settings(max_examples=25, deadline=None)
def test_subsets_are_nested_and_have_every_finding(texts: list[str], seed: int, shares: list[float]) -> None:
    index, rows = index_with(texts), np.arange(len(texts))
    subsets = [set(label_subset(index, rows, budget=share, seed=seed)) for share in sorted(shares)]
    assert all(small <= large for small, large in pairwise(subsets))
    counts = [set(label_subset(index, rows, budget=count, seed=seed)) for count in (1, 2, 3) if count <= _fewest(texts)]
    assert all(small <= large for small, large in pairwise(counts))
    for subset in (*subsets, *counts):
        assert all(carriers(texts, np.array(sorted(subset)), name) for name in NAMES)
        assert all(texts[row] != "" for row in subset)


def _fewest(texts: list[str]) -> int:
    return min(carriers(texts, np.arange(len(texts)), name) for name in NAMES)


@given(texts=labels(), seed=st.integers(0, 1000), share=st.floats(0.2, 1.0))
@settings(max_examples=25, deadline=None)
def test_each_combination_gives_its_share(texts: list[str], seed: int, share: float) -> None:
    taken = label_subset(index_with(texts), np.arange(len(texts)), budget=share, seed=seed)
    labelled = pd.Series([text for text in texts if text != ""])
    size = int(np.floor(share * len(labelled) + 0.5))
    assert size <= len(taken) <= size + len(NAMES)
    of_subset = pd.Series([texts[row] for row in taken]).value_counts()
    for name, available in labelled.value_counts().items():
        # Places (i + .5) / n of all combinations in one list: a prefix has each one's share, give or take one, and
        # those that every finding brings.
        assert abs(of_subset.get(name, 0) - share * available) <= 1.5 + len(NAMES)


@given(texts=labels(), seed=st.integers(0, 1000), share=st.floats(0.05, 0.9))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_decides_nothing(texts: list[str], seed: int, share: float) -> None:
    index = index_with(texts)
    shuffled = index.sample(frac=1.0, random_state=seed)
    straight = index["sample_id"].iloc[label_subset(index, np.arange(len(index)), budget=share, seed=seed)]
    again = shuffled["sample_id"].iloc[label_subset(shuffled, np.arange(len(index)), budget=share, seed=seed)]
    assert set(straight) == set(again)


def test_a_count_takes_so_many_of_each_and_refuses_what_is_not_there() -> None:
    texts = ["edema"] * 10 + ["edema|mass"] * 3 + ["none"] * 20 + [""] * 5
    index = index_with(texts)
    taken = label_subset(index, np.arange(len(texts)), budget=3, seed=1)
    assert carriers(texts, taken, "mass") == 3
    assert carriers(texts, taken, "edema") >= 3
    assert sum(texts[row] == "none" for row in taken) == 3
    with pytest.raises(LabelBudgetError, match=r"4 per class asks for more than the 3 .* 'mass'.*"):
        label_subset(index, np.arange(len(texts)), budget=4, seed=1)


@given(texts=labels(), seed=st.integers(0, 100), shares=st.lists(st.floats(0.05, 1.0), min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_the_audit_has_nothing_to_say_of_such_subsets(texts: list[str], seed: int, shares: list[float]) -> None:
    index, split = index_with(texts), pd.Series(["train"] * len(texts))
    budgets = [*dict.fromkeys(shares), *range(1, min(3, _fewest(texts)) + 1)]
    subsets = [
        Subset(budget, seed, label_subset(index, np.arange(len(texts)), budget=budget, seed=seed)) for budget in budgets
    ]
    assert audit_subsets(index, split, subsets=subsets) == ()


def test_the_audit_finds_a_finding_that_is_missing_and_a_larger_subset_that_lacks_images() -> None:
    texts = ["edema", "edema|mass", "mass", "none"] * 10
    index, split = index_with(texts), pd.Series(["train"] * 40)
    without_mass = [Subset(0.1, 0, np.array([0, 3, 4, 7]))]
    assert [finding.sides for finding in audit_subsets(index, split, subsets=without_mass)] == [
        ("10%, seed 0", "not stratified")
    ]
    apart = [Subset(0.1, 0, np.array([0, 1, 2, 3])), Subset(0.2, 0, np.arange(8, 16))]
    assert [finding.sides for finding in audit_subsets(index, split, subsets=apart)] == [("10%", "not in 20%")]


@given(seed=st.integers(0, 1000), budget=st.sampled_from([0.02, 0.1, 1]))
@settings(max_examples=20, deadline=None)
def test_a_subset_has_an_image_without_each_finding(seed: int, budget: float) -> None:
    """Of 105 images 99 have the mass, so that few of them are none without."""
    texts = ["mass"] * 60 + ["mass|edema"] * 39 + ["edema"] * 6
    index = index_with(texts)
    rows = label_subset(index, np.arange(105), budget=budget, seed=seed)
    for name in ("edema", "mass"):
        assert 0 < carriers(texts, rows, name) < len(rows)
    subset = Subset(budget, seed, rows)
    assert audit_subsets(index, pd.Series(["train"] * 105), subsets=[subset]) == ()


def test_findings_that_meet_in_test_only_are_asked_one_by_one() -> None:
    """No image of train has two, so that its labels alone would look like classes that exclude each other."""
    texts = ["edema", "mass", "none"] * 10 + ["edema|mass"]
    split = pd.Series(["train"] * 30 + ["test"])
    subsets = [
        Subset(budget, 0, label_subset(index_with(texts), np.arange(30), budget=budget, seed=0)) for budget in (2, 0.2)
    ]
    assert audit_subsets(index_with(texts), split, subsets=subsets) == ()


def test_a_small_validation_set_has_both_answers_to_every_question() -> None:
    texts = ["edema"] * 30 + ["edema|mass"] * 2 + ["none"] * 50 + ["nodule"]
    index = index_with(texts)
    subsets = [
        realistic_validation(index, np.arange(len(texts)), most=most, seed=5) for most in (1, 10, 40, len(texts))
    ]
    for small, large in pairwise(subsets):
        assert set(small) <= set(large)
    for subset in subsets:
        for name in ("edema", "mass", "nodule"):
            assert 0 < carriers(texts, subset, name) < len(subset)
    assert len(subsets[0]) <= 6
    assert [len(subset) for subset in subsets[1:]] == [10, 40, len(texts)]


def test_a_finding_that_training_lacks_is_an_error() -> None:
    texts = ["edema", "edema|mass", "none"]
    with pytest.raises(LabelBudgetError, match="the 0 labelled training images of class 'mass'"):
        label_subset(index_with(texts), np.array([0, 2]), budget=1.0, seed=1)


def test_a_split_needs_each_finding_and_its_absence_on_every_side() -> None:
    texts = [("edema", "edema|mass", "none", "mass")[row % 4] for row in range(80)]
    split = split_by_patient(index_with(texts), options=SplitOptions(), seed=3)
    table = pd.crosstab(split, pd.Series(["mass" in text for text in texts]))
    assert (table > 0).to_numpy().all()
    always = ["edema|mass" if row % 2 else "edema" for row in range(80)]
    with pytest.raises(InputError, match="The absence of 'edema' has too few patients"):
        split_by_patient(index_with(always), options=SplitOptions(), seed=3)
