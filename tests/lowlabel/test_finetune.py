"""Finetuning: what changes, what must not, and when it stops."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys import TinyEncoder, augment, held_out, quiet, toy_task

from medtrimix.errors import InputError, Interrupted, NumericalError
from medtrimix.lowlabel.classifier import Classifier, predict
from medtrimix.lowlabel.objectives import train
from medtrimix.lowlabel.options import FinetuneOptions
from medtrimix.lowlabel.schedule import planned_steps
from medtrimix.lowlabel.task import Hooks, Rows, Task

SHORT = FinetuneOptions(epochs=2, min_steps=10, max_steps=10)


def first_weights(classifier: nn.Module) -> Tensor:
    return next(classifier.parameters()).detach().clone()


def with_vision(task: Task, **changes: object) -> Task:
    return dataclasses.replace(task, vision=dataclasses.replace(task.vision, **changes))


def test_takes_exactly_the_planned_steps_with_the_views_of_each_step() -> None:
    seen: list[tuple[int, int]] = []

    def watched(image_BCHW: Tensor, *, step: int, rows_B: Rows) -> Tensor:
        seen.append((step, len(rows_B)))
        return augment(image_BCHW, step=step, rows_B=rows_B)

    train(with_vision(toy_task(labels=24), augment=watched), options=SHORT, hooks=quiet())
    assert seen == [(step, 8) for step in range(planned_steps(SHORT, labels=24))]


def test_trains_on_the_labelled_rows_alone() -> None:
    task = toy_task(labels=24)
    asked: set[int] = set()

    def watched(image_BCHW: Tensor, *, step: int, rows_B: Rows) -> Tensor:
        asked.update(rows_B.tolist())
        return augment(image_BCHW, step=step, rows_B=rows_B)

    train(with_vision(task, augment=watched), options=SHORT, hooks=quiet())
    assert asked == set(task.train.row_N.tolist())


def test_validation_is_looked_at_and_nothing_follows_from_it() -> None:
    task = toy_task()
    rows, _ = held_out(task)
    upside_down = dataclasses.replace(task, val=dataclasses.replace(task.val, target_N=1 - task.val.target_N))
    often = SHORT.model_copy(update={"curve_points": 10})
    results = [
        predict(train(case, options=options, hooks=quiet()), rows, task=case)
        for case, options in ((task, SHORT), (upside_down, SHORT), (task, often))
    ]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_the_curve_is_recorded() -> None:
    curve: dict[int, Mapping[str, float]] = {}
    options = FinetuneOptions(min_steps=60, max_steps=60, curve_points=3, scratch_lr=1e-2, head_lr=1e-2)
    train(toy_task(), options=options, hooks=Hooks(should_stop=lambda: False, record=curve.__setitem__))
    assert list(curve) == [20, 40, 60]
    assert set(curve[20]) == {"train_loss", "val_loss", "val_auc", "val_balanced_accuracy", "val_brier"}
    assert curve[60]["train_loss"] < curve[20]["train_loss"]
    assert curve[60]["val_auc"] > 0.95


@pytest.mark.parametrize(("pretrained", "rate"), [(True, 0.002), (False, 0.05)])
def test_a_pretrained_encoder_has_a_learning_rate_of_its_own(pretrained: bool, rate: float) -> None:
    """Adam's first step moves every weight by the learning rate, wherever there is a gradient."""
    start = TinyEncoder()
    weights = start.state_dict()

    def encoder() -> nn.Module:
        copy = TinyEncoder()
        copy.load_state_dict(weights)
        return copy

    options = FinetuneOptions(
        min_steps=1, max_steps=1, warmup=0, weight_decay=0, encoder_lr=0.002, scratch_lr=0.05, head_lr=0.01
    )
    trained = train(toy_task(encoder=encoder, pretrained=pretrained), options=options, hooks=quiet())
    assert isinstance(trained.encoder, TinyEncoder)
    moved = (trained.encoder.net[0].weight - start.net[0].weight).abs().max()
    assert float(moved.detach()) == pytest.approx(rate, rel=0.01)


def test_balanced_classes_raise_the_rare_class() -> None:
    task = toy_task(labels=24)
    rare = np.flatnonzero((task.train.target_N == 0) | (task.train.row_N < 4))  # 12 of class 0, 2 of class 1
    skewed = dataclasses.replace(
        task, train=dataclasses.replace(task.train, row_N=task.train.row_N[rare], target_N=task.train.target_N[rare])
    )
    rows, _ = held_out(task)
    plain, balanced = (
        predict(
            train(skewed, options=SHORT.model_copy(update={"class_weight": weight}), hooks=quiet()),
            rows,
            task=task,
        )[:, 1].mean()
        for weight in ("none", "balanced")
    )
    assert balanced > plain


def test_the_callers_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(toy_task(), options=SHORT, hooks=quiet())
    assert torch.equal(torch.rand(3), expected)


def test_seeds_give_different_classifiers_and_random_encoders() -> None:
    weights = [first_weights(train(toy_task(seed=seed), options=SHORT, hooks=quiet())) for seed in (0, 1)]
    assert not torch.equal(*weights)


def test_prediction_uses_running_statistics_and_leaves_the_mode() -> None:
    task = toy_task()
    classifier = Classifier(TinyEncoder(), dim=8, answers=2).train()
    rows, _ = held_out(task)
    together = predict(classifier, rows, task=task)
    alone = np.concatenate([predict(classifier, rows[i : i + 1], task=task) for i in range(len(rows))])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert classifier.training


def test_a_stop_is_heard_at_the_next_step() -> None:
    asked = 0

    def third_time() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    with pytest.raises(Interrupted, match="step 2 of 10"):
        train(toy_task(), options=SHORT, hooks=quiet(should_stop=third_time))


def test_a_loss_that_is_no_number_is_an_error() -> None:
    def overflowing(image_BCHW: Tensor, *, step: int, rows_B: Rows) -> Tensor:
        return augment(image_BCHW, step=step, rows_B=rows_B) * math.nan

    broken = with_vision(toy_task(), augment=overflowing)
    with pytest.raises(NumericalError, match="not finite at step"):
        train(broken, options=SHORT, hooks=quiet())


def test_a_missing_class_is_refused_before_anything_is_trained() -> None:
    task = toy_task()
    single = dataclasses.replace(task, train=dataclasses.replace(task.train, target_N=task.train.target_N * 0))
    with pytest.raises(InputError, match="24, 0 of the 2 classes"):
        train(single, options=SHORT, hooks=quiet())
