"""Pseudo-labels: the network's own most probable class as label, with a say that rises during the training.

Lee, "Pseudo-Label: The simple and efficient semi-supervised learning method for deep neural networks", ICML workshop
on challenges in representation learning, 2013.

Batch normalisation: labelled and unlabelled images pass together, all as weak views, and the running statistics are
those of both: what a pseudo label is made from and what is learnt from it are one pass.
"""

from __future__ import annotations

import torch

from medtrimix.losses.pseudo_labels import is_confident, pseudo_label_loss
from medtrimix.lowlabel.batches import LabelledImages, UnlabelledImages
from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.loop import StepLoss
from medtrimix.lowlabel.pseudo_labels import AlignedPredictions
from medtrimix.lowlabel.schedule import linear_rise
from medtrimix.lowlabel.semi_options import PseudoLabelOptions
from medtrimix.lowlabel.task import Task


class PseudoLabel:
    """Cross-entropy of the labelled images plus alpha(t) times that of the others with their pseudo labels.

    Equation 15, alpha(t) as in equation 16.
    """

    def __init__(self, classifier: Classifier, *, task: Task, options: PseudoLabelOptions) -> None:
        device = classifier.head.weight.device
        self.predictor = classifier
        self._vision, self._options = task.vision, options
        self._labelled = LabelledImages(task, options=options, device=device)
        self._unlabelled = UnlabelledImages(task, options=options)
        self._predictions = AlignedPredictions(options.alignment, task=task, device=device)

    def loss(self, step: int, *, progress: float) -> StepLoss:
        """Of a step's labelled and unlabelled images."""
        image_BCHW, target_B = self._labelled.at(step)
        together_BCHW = torch.cat([image_BCHW, self._unlabelled.weak(step)])
        with self._vision.autocast():
            logit_BK = self.predictor(together_BCHW)
        labelled_BK, weak_BK = logit_BK.split([len(target_B), len(logit_BK) - len(target_B)])
        probability_BK = self._predictions(weak_BK)
        confident_B = is_confident(probability_BK, threshold_B=self._options.threshold)
        unlabelled = pseudo_label_loss(weak_BK, probability_BK, counts_B=confident_B)
        rise = linear_rise(progress, start=self._options.rise_from, end=self._options.rise_to)
        total = self._labelled.loss(labelled_BK, target_B) + self._options.unlabelled_weight * rise * unlabelled
        shown = {"unlabelled_loss": unlabelled.detach(), "confident_share": confident_B.float().mean()}
        return StepLoss(total, shown)

    def after_step(self, step: int) -> None:
        """Nothing."""
