"""Every way to learn from few labels, by the class of its options."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from medtrimix.lowlabel.options import AnyOptions, FinetuneOptions, KNNOptions, LinearOptions
from medtrimix.lowlabel.semi_options import (
    FixMatchOptions,
    FlexMatchOptions,
    ICTOptions,
    MeanTeacherOptions,
    PseudoLabelOptions,
)
from medtrimix.lowlabel.task import Hooks, Predict, Rows, Task

if TYPE_CHECKING:
    from medtrimix.lowlabel.classifier import Classifier


Features: TypeAlias = npt.NDArray[np.floating]


class FeatureClassifier(Protocol):
    """What frozen features are given to."""

    def predict(self, features_NE: Features) -> npt.NDArray[np.float64]:
        """Probabilities, shape (N, K)."""


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
    return _on_features(task, partial(fit_linear, classes=task.answers, options=options))


def learn_knn(task: Task, *, options: KNNOptions, hooks: Hooks) -> Predict:
    """The vote of the nearest labelled images, over in a moment."""
    from medtrimix.errors import Interrupted
    from medtrimix.lowlabel.knn import fit_knn

    if hooks.should_stop():
        raise Interrupted("The nearest neighbours were stopped before they voted.")
    return _on_features(task, partial(fit_knn, classes=task.answers, options=options))


def _on_features(task: Task, fit: Callable[[Features, Rows], FeatureClassifier]) -> Predict:
    """The frozen features' classifier, or one for each of several findings."""
    task.counts()
    features_NE, target_N = task.features(task.train.row_N), task.train.target_N
    if not task.several:
        classifier = fit(features_NE, target_N)
        return lambda rows: classifier.predict(task.features(rows))
    of_finding = [fit(features_NE, present_N) for present_N in target_N.T]

    def predict(rows: Rows) -> npt.NDArray[np.float64]:
        features_NE = task.features(rows)
        return np.stack([classifier.predict(features_NE)[:, 1] for classifier in of_finding], axis=1)

    return predict


# Each of the following trains the network. They import it when called: torch takes seconds, and frozen features need
# none.


def learn_finetune(task: Task, *, options: FinetuneOptions, hooks: Hooks) -> Predict:
    """On the labelled images alone."""
    from medtrimix.lowlabel.finetune import finetune

    return _predicting(finetune(task, options=options, hooks=hooks), task=task)


def learn_fixmatch(task: Task, *, options: FixMatchOptions, hooks: Hooks) -> Predict:
    """Confident predictions as labels of strong views."""
    from medtrimix.lowlabel.fixmatch import fixmatch

    return _predicting(fixmatch(task, options=options, hooks=hooks), task=task)


def learn_flexmatch(task: Task, *, options: FlexMatchOptions, hooks: Hooks) -> Predict:
    """The same with a threshold for each class."""
    from medtrimix.lowlabel.fixmatch import flexmatch

    return _predicting(flexmatch(task, options=options, hooks=hooks), task=task)


def learn_pseudo_label(task: Task, *, options: PseudoLabelOptions, hooks: Hooks) -> Predict:
    """Its own predictions as labels."""
    from medtrimix.lowlabel.pseudo_label import pseudo_label

    return _predicting(pseudo_label(task, options=options, hooks=hooks), task=task)


def learn_mean_teacher(task: Task, *, options: MeanTeacherOptions, hooks: Hooks) -> Predict:
    """An average of itself as teacher."""
    from medtrimix.lowlabel.mean_teacher import mean_teacher

    return _predicting(mean_teacher(task, options=options, hooks=hooks), task=task)


def learn_ict(task: Task, *, options: ICTOptions, hooks: Hooks) -> Predict:
    """The same on mixtures."""
    from medtrimix.lowlabel.ict import ict

    return _predicting(ict(task, options=options, hooks=hooks), task=task)


def _predicting(classifier: Classifier, *, task: Task) -> Predict:
    from medtrimix.lowlabel.classifier import predict

    return lambda rows: predict(classifier, rows, task=task)


LEARNERS: dict[type[AnyOptions], Learner] = {
    KNNOptions: learn_knn,
    LinearOptions: learn_linear,
    FinetuneOptions: learn_finetune,
    FixMatchOptions: learn_fixmatch,
    FlexMatchOptions: learn_flexmatch,
    PseudoLabelOptions: learn_pseudo_label,
    MeanTeacherOptions: learn_mean_teacher,
    ICTOptions: learn_ict,
}
"""A new learner: its options in `options.AnyOptions`, its file, and its line here."""


def learn(task: Task, *, options: AnyOptions, hooks: Hooks) -> Predict:
    """Learns the task by the strategy of `options`; see `Learner`."""
    return LEARNERS[type(options)](task, options=options, hooks=hooks)
