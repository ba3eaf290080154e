"""Early stopping keeps the best of the curve's points, and nothing changes without it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from toys import held_out, quiet, toy_task

from medtrimix.lowlabel.options import FinetuneOptions
from medtrimix.lowlabel.semi_options import FixMatchOptions, MeanTeacherOptions
from medtrimix.lowlabel.table import learn
from medtrimix.lowlabel.task import Hooks

LENGTH = {"min_steps": 24, "max_steps": 24, "curve_points": 6, "scratch_lr": 1e-2, "head_lr": 1e-2}
KINDS = [FinetuneOptions, FixMatchOptions, MeanTeacherOptions]


def options_of(kind: type, **more: object) -> FinetuneOptions:
    return kind.model_validate({**LENGTH, **more})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("by", ["val_loss", "val_auc"])
def test_the_best_point_predicts(kind: type, by: str) -> None:
    """What predicts in the end is what predicted val at the best point: its metrics there can be measured again."""
    task = toy_task()
    curve: dict[int, Mapping[str, float]] = {}
    hooks = Hooks(should_stop=lambda: False, record=curve.__setitem__)
    probability_NK = learn(task, options=options_of(kind, early_stopping=by), hooks=hooks)(task.val.row_N)
    values = {step: (found[by] if by == "val_auc" else -found[by]) for step, found in curve.items()}
    best = max(values, key=lambda step: (values[step], -step))
    assert curve[24]["chosen_step"] == best
    true_N = probability_NK[np.arange(40), task.val.target_N]
    assert float(-np.log(true_N).mean()) == pytest.approx(curve[best]["val_loss"], rel=1e-9)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_is_off_unless_asked_for(kind: type) -> None:
    task = toy_task()
    rows, _ = held_out(task)
    curve: dict[int, Mapping[str, float]] = {}
    hooks = Hooks(should_stop=lambda: False, record=curve.__setitem__)
    usual = learn(task, options=options_of(kind), hooks=hooks)(rows)
    named = learn(task, options=options_of(kind, early_stopping="none"), hooks=quiet())(rows)
    np.testing.assert_array_equal(usual, named)
    assert "chosen_step" not in curve[24]


def test_a_best_last_point_is_the_last_network() -> None:
    """Val's loss still falls on the toys after so few steps, so that stopping by it changes nothing."""
    task = toy_task()
    rows, _ = held_out(task)
    curve: dict[int, Mapping[str, float]] = {}
    hooks = Hooks(should_stop=lambda: False, record=curve.__setitem__)
    stopped = learn(task, options=options_of(FinetuneOptions, early_stopping="val_loss"), hooks=hooks)(rows)
    assert curve[24]["chosen_step"] == 24
    np.testing.assert_array_equal(stopped, learn(task, options=options_of(FinetuneOptions), hooks=quiet())(rows))
