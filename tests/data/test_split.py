"""The split: nobody on two sides, everybody with the chance that the options say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohorts import cohorts, index_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from medtrimix.data.audit import without_copies
from medtrimix.data.groups import connected_groups
from medtrimix.data.options import AuditOptions, SplitOptions
from medtrimix.data.split import SIDES, require_every_class, split_by_patient, systematic_sample
from medtrimix.errors import InputError

OPTIONS = SplitOptions()


def split_or_skip(index: pd.DataFrame, *, seed: int) -> pd.Series:
    """The split; cohorts whose shared pictures tie nearly everybody together are not of interest."""
    try:
        return split_by_patient(index, options=OPTIONS, seed=seed)
    except InputError:
        assume(False)
        raise


def crossing(index: pd.DataFrame, split: pd.Series, *, by: str) -> int:
    """Patients or pictures on more than one side."""
    met = pd.DataFrame({"name": index[by], "side": split}).drop_duplicates()
    return met.loc[met.duplicated("name"), "name"].nunique()


@given(index=cohorts(), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_no_patient_and_no_picture_is_on_two_sides(index: pd.DataFrame, seed: int) -> None:
    split = split_or_skip(index, seed=seed)
    assert set(split) == set(SIDES)
    assert crossing(index, split, by="patient_id") == 0
    assert crossing(index, split, by="pixel_sha256") == 0


def test_a_split_by_image_fails_that_test() -> None:
    index = index_of(["p1", "p1", "p2", "p2"], ["a", "a", "b", "b"])
    assert crossing(index, pd.Series(["train", "test", "train", "train"]), by="patient_id") == 1


@given(index=cohorts(), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_does_not_matter(index: pd.DataFrame, seed: int) -> None:
    split = split_or_skip(index, seed=seed)
    shuffled = index.sample(frac=1, random_state=seed)
    again = split_by_patient(shuffled, options=OPTIONS, seed=seed)
    pd.testing.assert_series_equal(again.sort_index(), split)


@given(index=cohorts(), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_each_stratum_of_patients_has_its_share_on_each_side(index: pd.DataFrame, seed: int) -> None:
    split = split_or_skip(index, seed=seed)
    groups = pd.DataFrame({"group": connected_groups(index), "label": index["label"], "side": split}).groupby("group")
    stratum = groups["label"].agg(lambda labels: "".join(sorted(set(labels) - {""})))
    side = groups["side"].first()
    assert (side[stratum == ""] == "train").all()
    for name in set(stratum) - {""}:
        members = side[stratum == name]
        assert abs((members == "test").sum() - 0.25 * len(members)) < 1
        assert abs((members == "val").sum() - 0.15 * len(members)) < 1.3  # its share of a rest that is itself rounded


def test_seeds_give_different_splits_and_each_patient_its_chance() -> None:
    patients = [f"p{number}" for number in range(60) for _ in range(1 + number % 3)]
    index = index_of(patients, ["a" if int(name[1:]) % 2 else "b" for name in patients])
    sides = pd.DataFrame({seed: split_by_patient(index, options=OPTIONS, seed=seed) for seed in range(100)})
    chance = (sides == "test").mean(axis=1)
    assert chance.mean() == pytest.approx(0.25, abs=0.01)
    assert (chance - 0.25).abs().max() < 5 * np.sqrt(0.25 * 0.75 / 100)
    assert (sides == "val").to_numpy().mean() == pytest.approx(0.15, abs=0.01)


def test_a_patient_unlike_all_others_has_its_chance_too() -> None:
    """The list is ordered by size, so whoever has the most images has a fixed place in it; only the start varies."""
    patients = [f"{name}{number}" for name in "ab" for number in range(12) for _ in range(number + 1)]
    index = index_of(patients, [name[0] for name in patients])
    largest = index["patient_id"] == "a11"
    sides = [
        split_by_patient(index, options=SplitOptions(val=0.3, test=0.3), seed=seed)[largest].iloc[0]
        for seed in range(60)
    ]
    assert {side: sides.count(side) / 60 for side in SIDES} == pytest.approx(
        {"train": 0.4, "val": 0.3, "test": 0.3}, abs=0.2
    )


def test_other_pseudonyms_for_the_same_pictures_give_the_same_split() -> None:
    patients = [f"p{number}" for number in range(40)]
    labels = ["a", "b"] * 20
    here = split_by_patient(index_of(patients, labels), options=OPTIONS, seed=0)
    there = split_by_patient(index_of([f"x{name}" for name in reversed(patients)], labels), options=OPTIONS, seed=0)
    pd.testing.assert_series_equal(here, there)


def test_pictures_tie_patients_together_in_a_chain() -> None:
    index = index_of(["p1", "p2", "p2", "p3", "p4"], ["a"] * 5, pixels=["x", "x", "y", "y", "z"])
    group_N = connected_groups(index)
    assert len(set(group_N[:4])) == 1
    assert group_N[4] not in group_N[:4]


@given(count=st.integers(0, 200), share=st.floats(0.01, 0.99), start=st.floats(0, 1, exclude_max=True))
@settings(max_examples=200, deadline=None)
def test_a_systematic_sample_is_even(count: int, share: float, start: float) -> None:
    taken = systematic_sample(count, share=share, start=start)
    assert taken.shape == (count,)
    assert abs(taken.sum() - share * count) < 1 + 1e-9
    half = taken[: count // 2]
    assert abs(half.sum() - share * len(half)) < 1 + 1e-9


def test_too_few_patients_is_an_error_with_the_numbers() -> None:
    index = index_of([f"p{number}" for number in range(12)], ["a"] * 10 + ["b"] * 2)
    with pytest.raises(
        InputError, match=r"Class 'b' has too few patients for this split: \d in train, \d in val, \d in"
    ):
        split_by_patient(index, options=OPTIONS, seed=0)


def test_a_class_that_is_gone_with_the_copies_is_an_error_before_training() -> None:
    """All images of class b in val are in test too."""
    index = index_of(
        [f"p{row}" for row in range(7)],
        ["a", "b", "a", "b", "a", "b", "b"],
        pixels=["1", "2", "3", "4", "5", "6", "4"],
        split=["train", "train", "val", "val", "test", "test", "test"],
    )
    dealt = split_by_patient(index, options=OPTIONS, seed=0)
    sides = without_copies(index, dealt, options=AuditOptions())
    assert sides.tolist() == ["train", "train", "val", "dropped", "test", "test", "test"]
    with pytest.raises(InputError, match=r"Class 'b' .* 1 in train, 0 in val, 2 in test, 1 left out for copies"):
        require_every_class(index, sides)


def test_a_single_class_is_an_error() -> None:
    with pytest.raises(InputError, match="1 class"):
        split_by_patient(index_of(["p1", "p2"], ["a", ""]), options=OPTIONS, seed=0)


def test_the_split_of_the_source_is_kept() -> None:
    sides = ["train", "val", "test"] * 2
    index = index_of([f"p{row}" for row in range(6)], ["a", "a", "a", "b", "b", "b"], split=sides)
    assert split_by_patient(index, options=OPTIONS, seed=0).tolist() == sides


@pytest.mark.parametrize(("wrong", "message"), [("", "5 of 6"), ("valid", "not 'valid'")])
def test_half_a_split_of_the_source_is_an_error(wrong: str, message: str) -> None:
    sides = ["train", "val", "test", "train", "val", wrong]
    index = index_of([f"p{row}" for row in range(6)], ["a", "a", "a", "b", "b", "b"], split=sides)
    with pytest.raises(InputError, match=message):
        split_by_patient(index, options=OPTIONS, seed=0)


@pytest.mark.parametrize("key", ["pixel_sha256", "sample_id", "patient_id"])
def test_a_frozen_file_decides(tmp_path: Path, key: str) -> None:
    index = index_of([f"p{row}" for row in range(6)], ["a", "a", "a", "b", "b", "b"], split=["train"] * 6)
    sides = ["train", "val", "test"] * 2
    file = tmp_path / "split.csv"
    pd.DataFrame({key: index[key], "split": sides}).sample(frac=1, random_state=0).to_csv(file, index=False)
    assert split_by_patient(index, options=SplitOptions(file=str(file)), seed=0).tolist() == sides


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_id,split\ns0000,train\n", "no side for 5 of 6 images, matched by sample_id"),
        ("sample_id,split\ns0000,train\ns0000,test\n", "1 sample_id on several sides"),
        ("sample_id,patient_id,split\ns0000,p0,train\n", "exactly one of"),
        ("sample_id,side\ns0000,train\n", "the column `split`"),
        ("sample_id,split\ns0000,validation\n", "not 'validation'"),
        ("", "can't be read"),
    ],
)
def test_a_frozen_file_that_does_not_fit_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    index = index_of([f"p{row}" for row in range(6)], ["a", "a", "a", "b", "b", "b"])
    file = tmp_path / "split.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        split_by_patient(index, options=SplitOptions(file=str(file)), seed=0)
    assert str(tmp_path) not in str(caught.value)


def test_a_frozen_file_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        split_by_patient(index_of(["p"], ["a"]), options=SplitOptions(file=str(tmp_path / "none.csv")), seed=0)


def test_shares_that_leave_no_training_are_refused() -> None:
    with pytest.raises(ValidationError, match="leaves no patient for training"):
        SplitOptions(val=0.5, test=0.5)
