"""Interpolation consistency: of a mixture of two images the network should say the mixture of what it says of both.

Verma et al., "Interpolation consistency training for semi-supervised learning", IJCAI 2019. What TriMix asks of
embeddings without any label, this asks of predictions.

Batch normalisation: labelled images and mixtures pass the student together, whose running statistics are never used;
the teacher, which predicts in the end, has its own, of its passes over unlabelled images.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from medtrimix.config.digest import seed_from
from medtrimix.losses.agreement import interpolated, prediction_distance
from medtrimix.lowlabel.average import Average
from medtrimix.lowlabel.batches import LabelledImages, UnlabelledImages
from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.loop import StepLoss, train_network
from medtrimix.lowlabel.schedule import gaussian_rise
from medtrimix.lowlabel.semi_options import ICTOptions
from medtrimix.lowlabel.task import Hooks, Task


class InterpolationConsistency:
    """Cross-entropy of the labelled images plus a rising weight times the distance of a mixture's two predictions.

    Section 2, figure 1. Probabilities are mixed, as in the paper; the published code mixes logits. Each image has a
    share of its own, where theirs is one for the batch.
    """

    def __init__(self, classifier: Classifier, *, task: Task, options: ICTOptions) -> None:
        self._student, self._vision, self._options = classifier, task.vision, options
        self._device, self._seed = classifier.head.weight.device, seed_from("mixtures", task.seed)
        self._labelled = LabelledImages(task, options=options, device=self._device)
        self._unlabelled = UnlabelledImages(task, options=options)
        self._teacher = Average(classifier, decay=options.ema)

    @property
    def predictor(self) -> Classifier:
        """The teacher."""
        return self._teacher.network

    def loss(self, step: int, *, progress: float) -> StepLoss:
        """Of a step's labelled images and mixtures."""
        image_BCHW, target_B = self._labelled.at(step)
        weak_BCHW = self._unlabelled.weak(step)
        with torch.no_grad(), self._vision.autocast():
            taught_BK = self.predictor(weak_BCHW).float().softmax(dim=1)
        share_B, partner_B = self._mixture(step, batch=len(weak_BCHW))
        mixed_BCHW = interpolated(weak_BCHW, share_B=share_B, partner_B=partner_B)
        with self._vision.autocast():
            logit_BK = self._student(torch.cat([image_BCHW, mixed_BCHW]))
        labelled_BK, student_BK = logit_BK.split([len(target_B), len(taught_BK)])
        taught_BQK = taught_BK.reshape(len(weak_BCHW), -1, taught_BK.shape[1])
        mixed_BK = interpolated(taught_BQK, share_B=share_B, partner_B=partner_B).flatten(0, 1)
        unlabelled = prediction_distance(student_BK, mixed_BK)
        rise = gaussian_rise(progress, end=self._options.rampup)
        total = self._labelled.loss(labelled_BK, target_B) + self._options.unlabelled_weight * rise * unlabelled
        return StepLoss(total, {"unlabelled_loss": unlabelled.detach()})

    def after_step(self, step: int) -> None:
        """The teacher follows."""
        self._teacher.follow(self._student, step=step)

    def _mixture(self, step: int, *, batch: int) -> tuple[Tensor, Tensor]:
        """Shares and partners of a step, decided by the seed and the step."""
        generator = np.random.default_rng([self._seed, step])
        share_B = generator.beta(self._options.alpha, self._options.alpha, size=batch)
        partner_B = generator.permutation(batch)
        return torch.from_numpy(share_B).float().to(self._device), torch.from_numpy(partner_B).to(self._device)


def ict(task: Task, *, options: ICTOptions, hooks: Hooks) -> Classifier:
    """The trained teacher; see `train_network`."""
    objective = partial(InterpolationConsistency, task=task, options=options)
    return train_network(task, options=options, hooks=hooks, objective=objective)
