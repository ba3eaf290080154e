"""Near-duplicates in splits: dealt together, dropped with their patient, kept out of pretraining."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cohorts import cohorts, index_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medtrimix.data.audit import DROPPED, Pretraining, audit, require_clean, without_copies, without_held_out
from medtrimix.data.groups import connected_groups
from medtrimix.data.likeness import NearDuplicates
from medtrimix.data.options import AuditOptions, SplitOptions
from medtrimix.data.split import SIDES, split_by_patient
from medtrimix.errors import InputError

DROP, FAIL = (AuditOptions(on_leak=what) for what in ("drop", "fail"))


def near(*pairs: tuple[int, int]) -> NearDuplicates:
    row_P, other_P = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return NearDuplicates(row_P, other_P, np.full(len(pairs), 0.97, dtype=np.float32), required=0.95)


def some_pairs(index: pd.DataFrame, *, seed: int) -> NearDuplicates:
    rng = np.random.default_rng(seed)
    return near(*(tuple(sorted(rng.choice(len(index), 2, replace=False))) for _ in range(5)))  # type: ignore[arg-type]


@given(index=cohorts(), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_split_of_our_own_keeps_them_together(index: pd.DataFrame, seed: int) -> None:
    pairs = some_pairs(index, seed=seed)
    try:
        split = split_by_patient(index, options=SplitOptions(), seed=seed, near=pairs)
    except InputError:
        assume(False)
    assert split.to_numpy()[pairs.row_P].tolist() == split.to_numpy()[pairs.other_P].tolist()
    report = audit(index, split, Pretraining.inside(index, np.flatnonzero(split == "train"), near=pairs), near=pairs)
    assert (report.findings, report.near_duplicates) == ((), 5)


@given(index=cohorts(), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_none_is_left_on_two_sides_after_dropping(index: pd.DataFrame, seed: int) -> None:
    """Of a split by patient that looks at no picture, as a source may bring it."""
    pairs = some_pairs(index, seed=seed)
    sides = np.random.default_rng(seed).choice(SIDES, index["patient_id"].nunique())
    split = index["patient_id"].map(dict(zip(index["patient_id"].unique(), sides, strict=True)))
    after = without_copies(index, split, options=DROP, near=pairs)
    seen = Pretraining.inside(index, np.flatnonzero(after == "train"), near=pairs)
    require_clean(audit(index, after, seen, near=pairs), options=FAIL)
    assert (after[split == "test"] == "test").all()


def test_a_near_copy_takes_the_other_images_of_its_patient_along() -> None:
    index = index_of(["p1", "p1", "p2", "p3"], ["a", "a", "a", "b"])
    split = pd.Series(["train", "train", "test", "train"])
    assert without_copies(index, split, options=DROP, near=near((0, 2))).tolist() == [DROPPED, DROPPED, "test", "train"]


def test_a_finding_names_the_pair_and_its_likeness_once_per_place() -> None:
    index = index_of(["p1", "p2", "p3"], ["a", "a", "b"])
    pairs = near((0, 1))
    report = audit(index, pd.Series(["train", "test", "val"]), Pretraining.inside(index, [0], near=pairs), near=pairs)
    assert [(found.kind, found.sides, found.patients, found.likeness) for found in report.findings] == [
        ("near_duplicate", ("train", "test"), ("p1", "p2"), 0.97),
        ("pretrained_near_duplicate", ("test", "pretraining"), ("p2", "p1"), 0.97),
    ]
    assert "near duplicate: patients p1, p2, images s0000, s0001, in train and test (likeness 0.970)" in str(
        report.findings[0]
    )


def test_chains_go_through_near_duplicates_too() -> None:
    index = index_of(["p1", "p2", "p3", "p4"], ["a"] * 4, pixels=["x", "y", "y", "z"])
    groups = connected_groups(index, near=near((0, 1)))
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_other_data_loses_what_has_to_do_with_val_or_test_in_a_chain() -> None:
    index = index_of(["p1", "p2", "p3"], ["a", "a", "b"], pixels=["x", "y", "z"])
    sides = pd.Series(["train", "val", "test"])
    other = index_of(["q1", "q1", "p3", "p1", "q2", "q3"], [""] * 6, pixels=["u", "v", "w", "t", "x", "s"])
    kept = without_held_out(other, pd.Series(["train"] * 6), index=index, sides=sides, near=near((1, 0)))
    # q1 nearly has a picture of p2, so its other one goes as well; p3 is in test; the rest is of train or new.
    assert kept.tolist() == [DROPPED, DROPPED, DROPPED, "train", "train", "train"]


@given(index=cohorts(), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_whatever_the_other_data_what_is_left_is_clean(index: pd.DataFrame, seed: int) -> None:
    """Two halves of one cohort stand for two sources with patients and pictures in common."""
    rng = np.random.default_rng(seed)
    here = rng.random(len(index)) < 0.6
    learning, other = index[here].reset_index(drop=True), index[~here].reset_index(drop=True)
    sides = pd.Series(np.array(SIDES)[connected_groups(learning) % 3])
    pairs = near((int(rng.integers(len(learning))), int(rng.integers(len(other)))))
    kept = without_held_out(other, pd.Series(["train"] * len(other)), index=learning, sides=sides, near=pairs)
    report = audit(learning, sides, Pretraining(other, np.flatnonzero(kept == "train"), pairs))
    assert [found for found in report.findings if found.kind.startswith("pretrained")] == []
