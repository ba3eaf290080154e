"""Interpolation consistency: of a mixture of two images the network should say the mixture of what it says of both.

Verma et al., "Interpolation consistency training for semi-supervised learning", IJCAI 2019. What TriMix asks of
embeddings without any label, this asks of predictions.

Batch normalisation: labelled images and mixtures, which have less contrast, pass the student by themselves, as in the
published code. Its running statistics are never used; the teacher, which predicts in the end, has its own, of its
passes over unlabelled images.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medtrimix.config.digest import seed_from
from medtrimix.losses.agreement import interpolated
from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.loop import StepLoss
from medtrimix.lowlabel.semi_options import ICTOptions
from medtrimix.lowlabel.task import Task
from medtrimix.lowlabel.teacher import Taught


class InterpolationConsistency(Taught):
    """Cross-entropy of the labelled images plus a rising weight times the distance of a mixture's two predictions.

    Section 2, figure 1. Probabilities are mixed, as in the paper; the published code mixes logits. Each image has a
    share of its own, where theirs is one for the batch.
    """

    def __init__(self, classifier: Classifier, *, task: Task, options: ICTOptions) -> None:
        super().__init__(classifier, task=task, options=options)
        self._device, self._seed, self._alpha = (
            classifier.head.weight.device,
            seed_from("mixtures", task.seed),
            options.alpha,
        )

    def loss(self, step: int, *, progress: float) -> StepLoss:
        """Of a step's labelled images and mixtures."""
        image_BCHW, target_B = self._labelled.at(step)
        weak_BCHW = self._unlabelled.weak(step)
        with torch.no_grad(), self._vision.autocast():
            taught_BK = self.predictor(weak_BCHW).float().softmax(dim=1)
        share_B, partner_B = self._mixture(step, batch=len(weak_BCHW))
        mixed_BCHW = interpolated(weak_BCHW, share_B=share_B, partner_B=partner_B)
        with self._vision.autocast():
            logit_BK = torch.cat([self._student(image_BCHW), self._student(mixed_BCHW)])
        taught_BQK = taught_BK.reshape(len(weak_BCHW), -1, taught_BK.shape[1])
        mixed_BK = interpolated(taught_BQK, share_B=share_B, partner_B=partner_B).flatten(0, 1)
        return self._loss(logit_BK, target_B, taught_BK=mixed_BK, progress=progress)

    def _mixture(self, step: int, *, batch: int) -> tuple[Tensor, Tensor]:
        """Shares and partners of a step, decided by the seed and the step."""
        generator = np.random.default_rng([self._seed, step])
        share_B = generator.beta(self._alpha, self._alpha, size=batch)
        partner_B = generator.permutation(batch)
        return torch.from_numpy(share_B).float().to(self._device), torch.from_numpy(partner_B).to(self._device)
