"""What every learner promises. A new one is enrolled by its line in `LEARNERS`."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from medtrimix.errors import InputError, Interrupted, NumericalError
from medtrimix.lowlabel.options import AnyOptions, FinetuneOptions, KNNOptions, LinearOptions
from medtrimix.lowlabel.semi_options import (
    FixMatchOptions,
    FlexMatchOptions,
    ICTOptions,
    MeanTeacherOptions,
    PseudoLabelOptions,
    SemiSupervisedOptions,
)
from medtrimix.lowlabel.table import LEARNERS, Learner
from medtrimix.lowlabel.task import Hooks, Predict, Rows, Task
from medtrimix.metrics.evaluate import evaluate

sys.path.insert(0, str(Path(__file__).parents[1] / "lowlabel"))
from toys import held_out, quiet, toy_task

SHORT = {"min_steps": 60, "max_steps": 60, "scratch_lr": 1e-2, "head_lr": 1e-2}
OPTIONS = {
    KNNOptions: KNNOptions(metric="euclidean", temperature=0.5),
    LinearOptions: LinearOptions(),
    FinetuneOptions: FinetuneOptions(**SHORT),
    PseudoLabelOptions: PseudoLabelOptions(**SHORT, unlabelled_batch=20),
    **{
        kind: kind(**SHORT, unlabelled_batch=20, ema=0.9)
        for kind in (FixMatchOptions, FlexMatchOptions, MeanTeacherOptions, ICTOptions)
    },
}
SEMI_SUPERVISED = [kind for kind in LEARNERS if issubclass(kind, SemiSupervisedOptions)]


def gives_distributions(learner: Learner, options: object, *, classes: int) -> None:
    task = toy_task(classes=classes)
    rows, _ = held_out(task)
    probability_NK = learner(task, options=options, hooks=quiet())(rows)
    assert probability_NK.shape == (len(rows), classes)
    assert probability_NK.dtype == np.float64
    assert np.isfinite(probability_NK).all()
    np.testing.assert_allclose(probability_NK.sum(axis=1), 1, atol=1e-12)


def is_deterministic(learner: Learner, options: object) -> None:
    rows, _ = held_out(toy_task())
    answers = []
    for elsewhere in (1, 2):  # whatever others have drawn before
        torch.manual_seed(elsewhere)
        answers.append(learner(toy_task(), options=options, hooks=quiet())(rows))
    np.testing.assert_array_equal(*answers)


def answers_in_the_order_of_rows(learner: Learner, options: object) -> None:
    task = toy_task()
    rows, _ = held_out(task)
    predict = learner(task, options=options, hooks=quiet())
    backwards = rows[::-1].copy()
    np.testing.assert_allclose(predict(backwards), predict(rows)[::-1], atol=1e-6)
    np.testing.assert_allclose(predict(rows[:1]), predict(rows)[:1], atol=1e-6)


def learns_what_can_be_learnt(learner: Learner, options: object, *, classes: int) -> None:
    task = toy_task(classes=classes, labels=30)
    rows, target_N = held_out(task)
    assert evaluate(learner(task, options=options, hooks=quiet())(rows), target_N)["auc"] > 0.95


def refuses_a_single_class(learner: Learner, options: object) -> None:
    task = toy_task()
    single = dataclasses.replace(task, train=dataclasses.replace(task.train, target_N=task.train.target_N * 0))
    with pytest.raises(InputError, match="24, 0"):
        learner(single, options=options, hooks=quiet())


def hears_a_stop(learner: Learner, options: object) -> None:
    with pytest.raises(Interrupted):
        learner(toy_task(), options=options, hooks=quiet(should_stop=lambda: True))


def says_when_numbers_are_lost(learner: Learner, options: object) -> None:
    task = toy_task()

    def lost(image_BCHW: torch.Tensor, **_: object) -> torch.Tensor:
        return image_BCHW.float() * np.nan

    vision = dataclasses.replace(task.vision, augment=lost)
    broken = dataclasses.replace(
        task, vision=vision, features=lambda rows: np.full((len(rows), 2), np.nan, dtype=np.float32)
    )
    with pytest.raises(NumericalError, match="not"):
        learner(broken, options=options, hooks=quiet())


def leaves_val_and_random_numbers_alone(learner: Learner, options: object) -> None:
    task = toy_task()
    rows, _ = held_out(task)
    upside_down = dataclasses.replace(task, val=dataclasses.replace(task.val, target_N=1 - task.val.target_N))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    answers = [learner(case, options=options, hooks=quiet())(rows) for case in (task, upside_down)]
    np.testing.assert_array_equal(*answers)
    assert torch.equal(torch.rand(3), expected)


PROMISES: dict[str, Callable[[Learner, object], None]] = {
    "distributions of two": lambda learner, options: gives_distributions(learner, options, classes=2),
    "distributions of three": lambda learner, options: gives_distributions(learner, options, classes=3),
    "deterministic": is_deterministic,
    "order of rows": answers_in_the_order_of_rows,
    "learns two": lambda learner, options: learns_what_can_be_learnt(learner, options, classes=2),
    "learns three": lambda learner, options: learns_what_can_be_learnt(learner, options, classes=3),
    "single class": refuses_a_single_class,
    "stop": hears_a_stop,
    "lost numbers": says_when_numbers_are_lost,
    "val": leaves_val_and_random_numbers_alone,
}


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("kind", LEARNERS, ids=lambda kind: kind.__name__)
def test_learner_keeps(kind: type, promise: str) -> None:
    PROMISES[promise](LEARNERS[kind], OPTIONS[kind])


def test_every_strategy_of_the_pipeline_file_has_a_learner() -> None:
    assert set(typing.get_args(AnyOptions)) == set(LEARNERS) == set(OPTIONS)


def asked_rows(kind: type) -> set[int]:
    """The rows whose images a learner asks for while it learns."""
    task, asked = toy_task(), set[int]()

    def images(rows: Rows) -> torch.Tensor:
        asked.update(rows.tolist())
        return task.vision.images(rows)

    LEARNERS[kind](
        dataclasses.replace(task, vision=dataclasses.replace(task.vision, images=images)),
        options=OPTIONS[kind],
        hooks=quiet(),
    )
    return asked


@pytest.mark.parametrize("kind", SEMI_SUPERVISED, ids=lambda kind: kind.__name__)
def test_semi_supervised_learners_see_train_and_val_and_never_test(kind: type) -> None:
    task = toy_task()
    rows, _ = held_out(task)
    expected = {*task.train.row_N.tolist(), *task.unlabelled_N.tolist(), *task.val.row_N.tolist()}
    assert asked_rows(kind) == expected
    assert not expected & set(rows.tolist())


@pytest.mark.parametrize("kind", SEMI_SUPERVISED, ids=lambda kind: kind.__name__)
def test_images_without_label_have_a_say(kind: type) -> None:
    task = toy_task()
    rows, _ = held_out(task)
    fewer = dataclasses.replace(task, unlabelled_N=task.unlabelled_N[:7])
    answers = [LEARNERS[kind](case, options=OPTIONS[kind], hooks=quiet())(rows) for case in (task, fewer)]
    assert not np.array_equal(*answers)


@pytest.mark.parametrize("kind", SEMI_SUPERVISED, ids=lambda kind: kind.__name__)
def test_where_all_have_labels_they_are_used_without_them_too(kind: type) -> None:
    task = toy_task(labels=30)
    rows, target_N = held_out(task)
    complete = dataclasses.replace(task, unlabelled_N=task.unlabelled_N[:0])
    assert evaluate(LEARNERS[kind](complete, options=OPTIONS[kind], hooks=quiet())(rows), target_N)["auc"] > 0.95


def logits(task: Task, *, options: object, hooks: Hooks) -> Predict:
    """A broken learner: scores instead of probabilities."""
    return lambda rows: np.ones((len(rows), task.classes))


_mood = np.random.default_rng(0)


def moody(task: Task, *, options: object, hooks: Hooks) -> Predict:
    """A broken learner: another answer every time, whatever the image."""
    return lambda rows: _mood.dirichlet(np.ones(task.classes), size=len(rows))


@pytest.mark.parametrize(
    ("broken", "kept"),
    [(logits, {"deterministic", "order of rows", "val"}), (moody, {p for p in PROMISES if "dist" in p})],
)
def test_broken_learners_are_caught(broken: Learner, kept: set[str]) -> None:
    for name, promise in PROMISES.items():
        if name in kept:
            promise(broken, None)
        else:
            with pytest.raises((AssertionError, NumericalError, pytest.fail.Exception)):
                promise(broken, None)
