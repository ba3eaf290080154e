"""Mean Teacher: a moving average of the network teaches it what to say about images without label.

Tarvainen and Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve
semi-supervised deep learning results", NeurIPS 2017.

Batch normalisation: the teacher normalises with its own batch, which is all of unlabelled images, and its running
statistics, with which it predicts in the end, are those of its own passes. The student's passes hold labelled images as
well; its running statistics are never used.
"""

from __future__ import annotations

from functools import partial

import torch

from medtrimix.losses.agreement import prediction_distance
from medtrimix.lowlabel.average import Average
from medtrimix.lowlabel.batches import LabelledImages, UnlabelledImages
from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.loop import StepLoss, train_network
from medtrimix.lowlabel.schedule import gaussian_rise
from medtrimix.lowlabel.semi_options import MeanTeacherOptions
from medtrimix.lowlabel.task import Hooks, Task


class MeanTeacher:
    """Cross-entropy of the labelled images plus a rising weight times the distance of student and teacher.

    Section 2; the two see different weak views of an image.
    """

    def __init__(self, classifier: Classifier, *, task: Task, options: MeanTeacherOptions) -> None:
        self._student, self._vision, self._options = classifier, task.vision, options
        self._labelled = LabelledImages(task, options=options, device=classifier.head.weight.device)
        self._unlabelled = UnlabelledImages(task, options=options)
        self._teacher = Average(classifier, decay=options.ema)

    @property
    def predictor(self) -> Classifier:
        """The teacher."""
        return self._teacher.network

    def loss(self, step: int, *, progress: float) -> StepLoss:
        """Of a step's labelled and unlabelled images."""
        image_BCHW, target_B = self._labelled.at(step)
        with torch.no_grad(), self._vision.autocast():
            taught_BK = self.predictor(self._unlabelled.weak(step)).float().softmax(dim=1)
        together_BCHW = torch.cat([image_BCHW, self._unlabelled.weak(step, view=1)])
        with self._vision.autocast():
            logit_BK = self._student(together_BCHW)
        labelled_BK, student_BK = logit_BK.split([len(target_B), len(taught_BK)])
        unlabelled = prediction_distance(student_BK, taught_BK)
        rise = gaussian_rise(progress, end=self._options.rampup)
        total = self._labelled.loss(labelled_BK, target_B) + self._options.unlabelled_weight * rise * unlabelled
        return StepLoss(total, {"unlabelled_loss": unlabelled.detach()})

    def after_step(self, step: int) -> None:
        """The teacher follows."""
        self._teacher.follow(self._student, step=step)


def mean_teacher(task: Task, *, options: MeanTeacherOptions, hooks: Hooks) -> Classifier:
    """The trained teacher; see `train_network`."""
    objective = partial(MeanTeacher, task=task, options=options)
    return train_network(task, options=options, hooks=hooks, objective=objective)
