"""Through the whole step `learn`: labelled subsets are nested, stratified, and the same for every arm, in any order."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Row, context, write_arm, write_features, write_split, write_store

from medtrimix.augment.options import AugmentOptions
from medtrimix.lowlabel import table
from medtrimix.lowlabel.options import LinearOptions
from medtrimix.steps import learn
from medtrimix.steps.numerics import Numerics

SIDES = ["train"] * 30 + ["val"] * 8 + ["test"] * 10
ROWS = tuple(
    Row(f"s{number:02}", f"p{number:02}", number, label=("no", "yes", "no")[number % 3], split=side)
    for number, side in enumerate(SIDES)
)
UNLABELLED = tuple(Row(f"u{number}", f"q{number}", 100 + number, split="train") for number in range(4))
budgets = st.one_of(st.floats(0.05, 1.0), st.integers(1, 8))


def learned(
    rows: Sequence[Row], *, budget: float, seed: int, arm: int = 0, workers: int = 1
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Names of the images whose labels the learner got, and the probabilities of the test images by name."""
    given_rows: list[np.ndarray] = []
    real = table.learn

    def spy(task, **keywords):  # type: ignore[no-untyped-def]
        given_rows.append(task.train.row_N)
        return real(task, **keywords)

    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "learn", spy)
        folder = Path(name)
        inputs = learn.Inputs(
            ingest=write_store(folder / "ingest", rows),
            split=write_split(folder / "split", rows),
            pretrain=write_arm(folder),
            embed=write_features(folder / "embed", rows, arm=arm),
        )
        config = learn.Config(
            strategy=LinearOptions(),
            augment=AugmentOptions(preset="light"),
            budget=budget,
            label_seed=seed,
            seed=1,
            numerics=Numerics(device="cpu", precision="fp32"),
        )
        learn.run(config, inputs=inputs, out=folder / "out", context=context(folder / "out", workers=workers))
        found = learn.load_predictions(folder / "out", side="test")
    probabilities = dict(zip(found.sample_N.tolist(), found.probability_NK, strict=True))
    return sorted(rows[row].sample for row in given_rows[0]), probabilities


@given(seed=st.integers(0, 1000), budget=budgets, order=st.permutations(ROWS + UNLABELLED), workers=st.integers(1, 4))
@settings(max_examples=8, deadline=None)
def test_neither_order_of_rows_nor_workers_matter(seed: int, budget: float, order: list[Row], workers: int) -> None:
    names, probabilities = learned(ROWS + UNLABELLED, budget=budget, seed=seed)
    names_again, again = learned(order, budget=budget, seed=seed, workers=workers)
    assert names == names_again
    assert probabilities.keys() == again.keys() == {row.sample for row in ROWS if row.split == "test"}
    for name, probability_K in probabilities.items():
        # The same sums in another order: what differs is rounding, within what the solver calls converged.
        np.testing.assert_allclose(again[name], probability_K, atol=1e-3)


@given(seed=st.integers(0, 1000), budget=budgets)
@settings(max_examples=6, deadline=None)
def test_arms_are_paired(seed: int, budget: float) -> None:
    first, probabilities = learned(ROWS, budget=budget, seed=seed, arm=0)
    second, others = learned(ROWS, budget=budget, seed=seed, arm=1)
    assert first == second
    assert any(not np.array_equal(others[name], probabilities[name]) for name in others), "they are two arms"


@given(seed=st.integers(0, 1000), small=st.floats(0.05, 1.0), large=st.floats(0.05, 1.0))
@settings(max_examples=6, deadline=None)
def test_subsets_are_nested_stratified_and_inside_train(seed: int, small: float, large: float) -> None:
    small, large = sorted([small, large])
    few, _ = learned(ROWS + UNLABELLED, budget=small, seed=seed)
    many, _ = learned(ROWS + UNLABELLED, budget=large, seed=seed)
    row = {row.sample: row for row in ROWS}
    assert set(few) <= set(many) <= {name for name in row if row[name].split == "train"}
    for names, budget in ((few, small), (many, large)):
        taken = [row[name].label for name in names]
        assert [taken.count(label) for label in ("no", "yes")] == [
            max(1, int(np.floor(budget * available + 0.5))) for available in (20, 10)
        ]


def test_the_patients_behind_the_labels_are_counted(tmp_path: Path) -> None:
    rows = tuple(replace(row, patient=f"p{number // 2:02}") for number, row in enumerate(ROWS))
    inputs = learn.Inputs(
        ingest=write_store(tmp_path / "ingest", rows),
        split=write_split(tmp_path / "split", rows),
        pretrain=write_arm(tmp_path),
        embed=write_features(tmp_path / "embed", rows, arm=0),
    )
    config = learn.Config(
        strategy=LinearOptions(),
        augment=AugmentOptions(preset="light"),
        budget=1.0,
        label_seed=0,
        seed=1,
        numerics=Numerics(device="cpu", precision="fp32"),
    )
    given = context(tmp_path / "out", workers=1)
    learn.run(config, inputs=inputs, out=tmp_path / "out", context=given)
    assert (given.recorder.metrics["n_labels"], given.recorder.metrics["n_labelled_patients"]) == (30, 15)
