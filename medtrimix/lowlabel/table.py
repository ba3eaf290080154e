"""Every way to learn from few labels, by the class of its options."""

from __future__ import annotations

from typing import Any, Protocol

from medtrimix.lowlabel.options import FinetuneOptions, LinearOptions
from medtrimix.lowlabel.task import Hooks, Predict, Task


class Learner(Protocol):
    """Learns a task; the same task and options give the same predictions, bit for bit on a CPU."""

    def __call__(self, task: Task, *, options: Any, hooks: Hooks) -> Predict:
        """The trained classifier's predictions.

        Raises:
            InputError: a class has no label.
            Interrupted: `hooks.should_stop` said so.
        """


def learn_linear(task: Task, *, options: LinearOptions, hooks: Hooks) -> Predict:
    """Logistic regression on the frozen features, over in a moment."""
    from medtrimix.errors import Interrupted
    from medtrimix.lowlabel.linear import fit_linear

    if hooks.should_stop():
        raise Interrupted("The linear probe was stopped before its fit.")
    classifier = fit_linear(task.features(task.train.row_N), task.train.target_N, classes=task.classes, options=options)
    return lambda rows: classifier.predict(task.features(rows))


def learn_finetune(task: Task, *, options: FinetuneOptions, hooks: Hooks) -> Predict:
    """The whole network, from the arm's encoder."""
    from medtrimix.lowlabel.finetune import (
        finetune,
        predict,
    )  # torch takes seconds to import; a linear probe needs none

    classifier = finetune(task, options=options, hooks=hooks)
    return lambda rows: predict(classifier, rows, vision=task.vision)


LEARNERS: dict[type[LinearOptions] | type[FinetuneOptions], Learner] = {
    LinearOptions: learn_linear,
    FinetuneOptions: learn_finetune,
}
"""A new learner: its options in `options.StrategyOptions`, its file, and its line here."""


def learn(task: Task, *, options: LinearOptions | FinetuneOptions, hooks: Hooks) -> Predict:
    """Learns the task by the strategy of `options`; see `Learner`."""
    return LEARNERS[type(options)](task, options=options, hooks=hooks)
