"""What learners share whose teacher is a moving average of the network."""

from __future__ import annotations

from torch import Tensor

from medtrimix.losses.agreement import prediction_distance
from medtrimix.lowlabel.average import Average
from medtrimix.lowlabel.batches import LabelledImages, UnlabelledImages
from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.loop import StepLoss
from medtrimix.lowlabel.schedule import gaussian_rise
from medtrimix.lowlabel.semi_options import TeacherOptions
from medtrimix.lowlabel.task import Task


class Taught:
    """A student that learns from labels, and from a teacher that follows it and predicts in the end."""

    def __init__(self, classifier: Classifier, *, task: Task, options: TeacherOptions) -> None:
        self._student, self._vision, self._options = classifier, task.vision, options
        self._labelled = LabelledImages(task, options=options, device=classifier.head.weight.device)
        self._unlabelled = UnlabelledImages(task, options=options)
        self._teacher = Average(classifier, decay=options.ema)

    @property
    def predictor(self) -> Classifier:
        """The teacher."""
        return self._teacher.network

    def after_step(self, step: int) -> None:
        """The teacher follows."""
        self._teacher.follow(self._student, step=step)

    def _loss(self, logit_BK: Tensor, target_B: Tensor, *, taught_BK: Tensor, progress: float) -> StepLoss:
        """Cross-entropy of the labelled images, which come first, and the others' distance to what they are taught."""
        labelled_BK, student_BK = logit_BK[: len(target_B)], logit_BK[len(target_B) :]
        unlabelled = prediction_distance(student_BK, taught_BK)
        rise = gaussian_rise(progress, end=self._options.rampup)
        total = self._labelled.loss(labelled_BK, target_B) + self._options.unlabelled_weight * rise * unlabelled
        return StepLoss(total, {"unlabelled_loss": unlabelled.detach()})
