"""Finetuning: the network learns from the labelled images alone."""

from __future__ import annotations

from medtrimix.lowlabel.batches import LabelledImages
from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.loop import StepLoss
from medtrimix.lowlabel.options import FinetuneOptions
from medtrimix.lowlabel.task import Task


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
