"""Finetuning: the network learns from the labelled images alone."""

from __future__ import annotations

from functools import partial

from medtrimix.lowlabel.batches import LabelledImages
from medtrimix.lowlabel.classifier import Classifier, predict
from medtrimix.lowlabel.loop import StepLoss, train_network
from medtrimix.lowlabel.options import FinetuneOptions
from medtrimix.lowlabel.task import Hooks, Task

__all__ = ["Classifier", "Supervised", "finetune", "predict"]


class Supervised:
    """Cross-entropy of the labelled images."""

    def __init__(self, classifier: Classifier, *, task: Task, options: FinetuneOptions) -> None:
        self.predictor = classifier
        self._vision = task.vision
        self._labelled = LabelledImages(task, options=options, device=classifier.head.weight.device)

    def loss(self, step: int, *, progress: float) -> StepLoss:  # noqa: ARG002, nothing here changes with time
        """Of the views of a step's images."""
        image_BCHW, target_B = self._labelled.at(step)
        with self._vision.autocast():
            logit_BK = self.predictor(image_BCHW)
        return StepLoss(self._labelled.loss(logit_BK, target_B), {})

    def after_step(self, step: int) -> None:
        """Nothing."""


def finetune(task: Task, *, options: FinetuneOptions, hooks: Hooks) -> Classifier:
    """The trained classifier; see `train_network`."""
    return train_network(task, options=options, hooks=hooks, objective=partial(Supervised, task=task, options=options))
