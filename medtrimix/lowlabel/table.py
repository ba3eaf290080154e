"""Every way to learn from few labels, by the class of its options."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from medtrimix.errors import Interrupted
from medtrimix.lowlabel.network_options import NetworkOptions
from medtrimix.lowlabel.options import AnyOptions, FinetuneOptions, KNNOptions, LinearOptions
from medtrimix.lowlabel.semi_options import (
    FixMatchOptions,
    FlexMatchOptions,
    ICTOptions,
    MeanTeacherOptions,
    PseudoLabelOptions,
)
from medtrimix.lowlabel.task import Hooks, Predict, Rows, Task

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
    from medtrimix.lowlabel.linear import fit_linear

    return _on_features(task, partial(fit_linear, classes=task.answers, options=options), hooks=hooks)


def learn_knn(task: Task, *, options: KNNOptions, hooks: Hooks) -> Predict:
    """The vote of the nearest labelled images, over in a moment."""
    from medtrimix.lowlabel.knn import fit_knn

    return _on_features(task, partial(fit_knn, classes=task.answers, options=options), hooks=hooks)


def _on_features(task: Task, fit: Callable[[Features, Rows], FeatureClassifier], *, hooks: Hooks) -> Predict:
    """The frozen features' classifier, or one for each of several findings."""
    if hooks.should_stop():
        raise Interrupted("A classifier of frozen features was stopped before its fit.")
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


def learn_network(task: Task, *, options: NetworkOptions, hooks: Hooks) -> Predict:
    """A training of the network, by the objective that goes with the options.

    Imports it when called: torch takes seconds, and frozen features need none.
    """
    from medtrimix.lowlabel.classifier import predict
    from medtrimix.lowlabel.objectives import train

    classifier = train(task, options=options, hooks=hooks)
    return lambda rows: predict(classifier, rows, task=task)


LEARNERS: dict[type[AnyOptions], Learner] = {
    KNNOptions: learn_knn,
    LinearOptions: learn_linear,
    FinetuneOptions: learn_network,
    FixMatchOptions: learn_network,
    FlexMatchOptions: learn_network,
    PseudoLabelOptions: learn_network,
    MeanTeacherOptions: learn_network,
    ICTOptions: learn_network,
}
"""A new learner: its options in `options.AnyOptions`, its file, and its line here; a network's in `objectives` too."""


def learn(task: Task, *, options: AnyOptions, hooks: Hooks) -> Predict:
    """Learns the task by the strategy of `options`; see `Learner`."""
    return LEARNERS[type(options)](task, options=options, hooks=hooks)
