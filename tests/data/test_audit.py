"""The audit finds what leaks, drops only what it may, and stops the rest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohorts import cohorts, index_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medtrimix.data.audit import DROPPED, AuditReport, Pretraining, audit, require_clean, without_copies
from medtrimix.data.options import AuditOptions, SplitOptions
from medtrimix.data.split import SIDES, split_by_patient
from medtrimix.errors import InputError, LeakageError

DROP, FAIL, WARN = (AuditOptions(on_leak=what) for what in ("drop", "fail", "warn"))


def kinds(report: AuditReport) -> list[str]:
    return [finding.kind for finding in report.findings]


def train_rows(split: pd.Series) -> np.ndarray:
    return np.flatnonzero(split == "train")


@given(index=cohorts(), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_split_of_our_own_is_clean_and_loses_nothing(index: pd.DataFrame, seed: int) -> None:
    try:
        split = split_by_patient(index, options=SplitOptions(), seed=seed)
    except InputError:
        assume(False)
    pd.testing.assert_series_equal(without_copies(index, split, options=DROP), split)
    report = audit(index, split, Pretraining.inside(index, train_rows(split)))
    require_clean(report, options=FAIL)
    assert sum(report.images.values()) == len(index)


@given(index=cohorts(), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_whatever_the_split_no_copy_is_left_after_dropping(index: pd.DataFrame, seed: int) -> None:
    """A split by patient that ignores pixels, as a source may bring it."""
    side_of = dict(
        zip(index["patient_id"].unique(), np.random.default_rng(seed).choice(SIDES, len(index)), strict=False)
    )
    split = index["patient_id"].map(side_of)
    after = without_copies(index, split, options=DROP)
    require_clean(audit(index, after, Pretraining.inside(index, train_rows(after))), options=FAIL)
    assert (after[split == "test"] == "test").all()
    assert ((after == split) | (after == DROPPED)).all()


def test_the_same_picture_on_two_sides_is_found_and_named() -> None:
    index = index_of(["p1", "p2", "p3"], ["a", "a", "b"], pixels=["x", "x", "y"])
    report = audit(index, pd.Series(["train", "test", "val"]), Pretraining.inside(index, []))
    assert kinds(report) == ["same_pixels"]
    assert report.findings[0].sides == ("test", "train")
    assert report.findings[0].patients == ("p1", "p2")
    assert report.findings[0].samples == ("s0001", "s0000")  # in the order of the sides


def test_the_same_patient_on_two_sides_stops_the_run_even_when_copies_are_dropped() -> None:
    index = index_of(["p1", "p1", "p3"], ["a", "a", "b"], pixels=["x", "x", "y"])
    split = without_copies(index, pd.Series(["train", "test", "val"]), options=DROP)
    report = audit(index, split, Pretraining.inside(index, []))
    assert kinds(report) == ["same_patient", "same_pixels"]
    with pytest.raises(
        LeakageError, match=r"1 same_patient, 1 same_pixels[\s\S]*patient p1, images s0001, s0000, in test and train"
    ):
        require_clean(report, options=DROP)
    require_clean(report, options=WARN)


def test_a_copy_takes_the_other_images_of_its_patient_along() -> None:
    # p1 in train shows a picture of p2 in test: most likely one person with two numbers.
    index = index_of(["p1", "p1", "p2", "p3"], ["a", "a", "a", "b"], pixels=["x", "y", "x", "z"])
    split = pd.Series(["train", "train", "test", "train"])
    assert without_copies(index, split, options=DROP).tolist() == [DROPPED, DROPPED, "test", "train"]
    assert without_copies(index, split, options=FAIL).tolist() == split.tolist()


def test_test_is_protected_more_than_val_and_val_more_than_train() -> None:
    index = index_of(["p1", "p2", "p3", "p4", "p5"], ["a"] * 5, pixels=["x", "x", "x", "y", "y"])
    split = pd.Series(["train", "val", "test", "train", "val"])
    assert without_copies(index, split, options=DROP).tolist() == [DROPPED, DROPPED, "test", DROPPED, "val"]


@pytest.mark.parametrize(
    ("pretrained", "expected"),
    [
        ([0], []),
        ([1], ["pretrained_patient", "pretrained_pixels"]),  # the test image itself
        ([2], ["pretrained_pixels"]),  # a copy of it under another name, itself in no side that counts
        ([3], ["pretrained_patient"]),  # another image of the val patient
    ],
)
def test_pretraining_must_not_touch_val_or_test(pretrained: list[int], expected: list[str]) -> None:
    index = index_of(["p0", "p1", "p2", "p3", "p3"], ["a", "a", "", "", "b"], pixels=["v", "x", "x", "y", "z"])
    split = pd.Series(["train", "test", DROPPED, DROPPED, "val"])
    assert kinds(audit(index, split, Pretraining.inside(index, pretrained))) == expected


def test_the_report_is_json_and_counts() -> None:
    index = index_of(["p1", "p1", "p2", "p3", "p4"], ["a", "b", "a", "b", ""], pixels=["x", "x", "y", "y", "y"])
    report = audit(index, pd.Series(["train", "train", "test", "val", DROPPED]), Pretraining.inside(index, [0, 1]))
    read = json.loads(json.dumps(report.to_json()))
    assert read["images"] == {"train": 2, "val": 1, "test": 1, "dropped": 1}
    assert read["patients"] == {"train": 1, "val": 1, "test": 1, "dropped": 1}
    assert read["pretraining_images"] == 2
    assert read["repeated_pictures"] == 1
    assert read["contradicting_pictures"] == 2
    assert read["findings"] == [
        {
            "kind": "same_pixels",
            "sides": ["test", "val"],
            "patients": ["p2", "p3"],
            "samples": ["s0002", "s0003"],
            "likeness": 1.0,
        }
    ]


def test_pneumoniamnist_has_eight_pictures_in_train_and_val(real_data: Path) -> None:
    """A fact about the public file: its own split leaks, and ten training images go."""
    with np.load(real_data / "pneumoniamnist.npz", allow_pickle=False) as archive:
        images = {side: archive[f"{side}_images"] for side in SIDES}
    rows = [(side, hashlib.sha256(image.tobytes()).hexdigest()) for side in SIDES for image in images[side]]
    index = index_of([f"p{row}" for row in range(len(rows))], ["a"] * len(rows), split=[side for side, _ in rows])
    index["pixel_sha256"] = [digest for _, digest in rows]
    official = index["split"]
    assert kinds(audit(index, official, Pretraining.inside(index, []))) == ["same_pixels"] * 8
    after = without_copies(index, official, options=DROP)
    assert after.value_counts().to_dict() == {"train": 4698, "test": 624, "val": 524, DROPPED: 10}
    assert audit(index, after, Pretraining.inside(index, train_rows(after))).findings == ()
