"""Order of samples and learning rates as functions of the step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from medtrimix.schedule import warmup_cosine
from medtrimix.training.order import StepOrder


def test_an_epoch_shows_each_row_once_except_the_remainder() -> None:
    rows_N = np.arange(100, 123)
    order = StepOrder(rows_N, batch_size=5, seed=3)
    assert order.steps_per_epoch == 4
    for epoch in range(3):
        seen = np.concatenate([order.rows(4 * epoch + position) for position in range(4)])
        assert len(seen) == len(set(seen)) == 20
        assert set(seen) <= set(rows_N)


def test_a_step_depends_on_nothing_but_itself() -> None:
    rows_N = np.arange(64)
    forwards = StepOrder(rows_N, batch_size=8, seed=3)
    expected = [forwards.rows(step) for step in range(24)]
    backwards = StepOrder(rows_N, batch_size=8, seed=3)
    for step in reversed(range(24)):
        np.testing.assert_array_equal(backwards.rows(step), expected[step])


def test_epochs_and_seeds_differ() -> None:
    rows_N = np.arange(64)
    order = StepOrder(rows_N, batch_size=64, seed=3)
    assert not np.array_equal(order.rows(0), order.rows(1))
    assert not np.array_equal(order.rows(0), StepOrder(rows_N, batch_size=64, seed=4).rows(0))


def test_a_batch_is_never_larger_than_the_data() -> None:
    assert sorted(StepOrder(np.arange(3), batch_size=256, seed=0).rows(5)) == [0, 1, 2]


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    # Worked by hand: warm-up of 4 gives 1/4 .. 4/4; then half a cosine over 8 steps, in the middle of it 1/2.
    factors = [warmup_cosine(step, total_steps=12, warmup_steps=4) for step in range(12)]
    assert factors[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert factors[8] == pytest.approx(0.5)
    assert all(later < earlier for earlier, later in pairwise(factors[4:]))
    assert factors[-1] > 0
    assert warmup_cosine(12, total_steps=12, warmup_steps=4) == pytest.approx(0)
    assert warmup_cosine(0, total_steps=10, warmup_steps=0) == 1
