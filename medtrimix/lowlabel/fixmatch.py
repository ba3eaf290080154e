"""FixMatch and FlexMatch: what the network is sure of about a weak view, it should say about a strong one.

Sohn et al., "FixMatch: Simplifying semi-supervised learning with consistency and confidence", NeurIPS 2020; Zhang et
al., "FlexMatch: Boosting semi-supervised learning with curriculum pseudo labeling", NeurIPS 2021.

Batch normalisation: labelled images, strong views and weak views pass by themselves, for erased and distorted images
have other statistics, and only the weak ones leave theirs: their pass needs no gradient, and they look like the images
that are predicted later. What differs from the published code: there all three pass together, at the price of half as
much work again, and the statistics at test time are those of all three.
"""

from __future__ import annotations

import torch

from medtrimix.losses.pseudo_labels import pseudo_label_loss
from medtrimix.lowlabel.average import Average
from medtrimix.lowlabel.batches import LabelledImages, UnlabelledImages
from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.loop import StepLoss
from medtrimix.lowlabel.pseudo_labels import AlignedPredictions, CurriculumThresholds, OneThreshold, Thresholds
from medtrimix.lowlabel.semi_options import ConfidenceOptions, FixMatchOptions, FlexMatchOptions
from medtrimix.lowlabel.task import Task
from medtrimix.nets.batchnorm import running_statistics_kept


class FixMatch:
    """Cross-entropy of the labelled images plus `unlabelled_weight` times that of strong views with pseudo labels.

    Equations 3 and 4 of FixMatch; FlexMatch has other thresholds and is the same otherwise.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        task: Task,
        options: ConfidenceOptions,
        unlabelled: UnlabelledImages,
        thresholds: Thresholds,
    ) -> None:
        device = classifier.head.weight.device
        self._classifier, self._vision, self._weight = classifier, task.vision, options.unlabelled_weight
        self._labelled = LabelledImages(task, options=options, device=device)
        self._unlabelled, self._thresholds = unlabelled, thresholds
        self._predictions = AlignedPredictions(options.alignment, task=task, device=device)
        self._average = Average(classifier, decay=options.ema)

    @property
    def predictor(self) -> Classifier:
        """The moving average, weights and running statistics."""
        return self._average.network

    def loss(self, step: int, *, progress: float) -> StepLoss:  # noqa: ARG002, nothing here changes with time
        """Of a step's labelled and unlabelled images."""
        image_BCHW, target_B = self._labelled.at(step)
        with torch.no_grad(), self._vision.autocast():
            weak_BK = self._classifier(self._unlabelled.weak(step))
        probability_BK = self._predictions(weak_BK)
        confident_B = self._thresholds.confident(probability_BK, position_B=self._unlabelled.positions(step))
        with running_statistics_kept(self._classifier), self._vision.autocast():
            labelled_BK = self._classifier(image_BCHW)
            strong_BK = self._classifier(self._unlabelled.strong(step))
        unlabelled = pseudo_label_loss(strong_BK, probability_BK, counts_B=confident_B)
        total = self._labelled.loss(labelled_BK, target_B) + self._weight * unlabelled
        shown = {"unlabelled_loss": unlabelled.detach(), "confident_share": confident_B.float().mean()}
        return StepLoss(total, shown)

    def after_step(self, step: int) -> None:
        """The average follows."""
        self._average.follow(self._classifier, step=step)
        self._average.follow_statistics(self._classifier, step=step)


def fixmatch(classifier: Classifier, *, task: Task, options: FixMatchOptions) -> FixMatch:
    """One threshold for all classes."""
    unlabelled, thresholds = UnlabelledImages(task, options=options), OneThreshold(options.threshold)
    return FixMatch(classifier, task=task, options=options, unlabelled=unlabelled, thresholds=thresholds)


def flexmatch(classifier: Classifier, *, task: Task, options: FlexMatchOptions) -> FixMatch:
    """A threshold for each class."""
    unlabelled, device = UnlabelledImages(task, options=options), classifier.head.weight.device
    thresholds = CurriculumThresholds(options.threshold, images=len(unlabelled), task=task, device=device)
    return FixMatch(classifier, task=task, options=options, unlabelled=unlabelled, thresholds=thresholds)
