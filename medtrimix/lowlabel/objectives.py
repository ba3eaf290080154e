"""Every way to train the network, by the class of its options; imports torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.finetune import Supervised
from medtrimix.lowlabel.fixmatch import fixmatch, flexmatch
from medtrimix.lowlabel.ict import InterpolationConsistency
from medtrimix.lowlabel.loop import Objective, train_network
from medtrimix.lowlabel.mean_teacher import MeanTeacher
from medtrimix.lowlabel.network_options import NetworkOptions
from medtrimix.lowlabel.options import FinetuneOptions
from medtrimix.lowlabel.pseudo_label import PseudoLabel
from medtrimix.lowlabel.semi_options import (
    FixMatchOptions,
    FlexMatchOptions,
    ICTOptions,
    MeanTeacherOptions,
    PseudoLabelOptions,
)
from medtrimix.lowlabel.task import Hooks, Task

OBJECTIVES: dict[type[NetworkOptions], Callable[..., Objective]] = {
    FinetuneOptions: Supervised,
    PseudoLabelOptions: PseudoLabel,
    MeanTeacherOptions: MeanTeacher,
    ICTOptions: InterpolationConsistency,
    FixMatchOptions: fixmatch,
    FlexMatchOptions: flexmatch,
}
"""Each makes, of an untrained classifier, a `task` and its `options`, what is minimised."""


def train(task: Task, *, options: NetworkOptions, hooks: Hooks) -> Classifier:
    """The trained predictor, in evaluation mode; see `train_network` for what it raises."""
    objective = partial(OBJECTIVES[type(options)], task=task, options=options)
    return train_network(task, options=options, hooks=hooks, objective=objective)
