"""What turns predictions into pseudo labels, and remembers in between."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from medtrimix.losses.pseudo_labels import aligned, curriculum_thresholds, is_confident
from medtrimix.lowlabel.semi_options import Alignment
from medtrimix.lowlabel.task import Rows, Task

_KEPT = 0.97
"""Share of the mean prediction that is kept at each step: about the last 30 steps count, of trainings of 300."""


class AlignedPredictions:
    """Predictions, pulled towards the classes' frequencies among the labelled images, or left as they are."""

    def __init__(self, alignment: Alignment, *, task: Task, device: torch.device) -> None:
        count_K = np.bincount(task.train.target_N, minlength=task.classes)
        self._wanted_K = torch.tensor(count_K / count_K.sum(), dtype=torch.float32, device=device)
        self._alignment = alignment
        self._seen_K: Tensor | None = None

    def __call__(self, logit_BK: Tensor) -> Tensor:
        """Probabilities, float32."""
        probability_BK = logit_BK.detach().float().softmax(dim=1)
        if self._alignment == "none":
            return probability_BK
        now_K = probability_BK.mean(dim=0)
        self._seen_K = now_K if self._seen_K is None else self._seen_K.lerp(now_K, 1 - _KEPT)
        return aligned(probability_BK, wanted_K=self._wanted_K, seen_K=self._seen_K)


class Thresholds(Protocol):
    """Which predictions count."""

    def confident(self, probability_BK: Tensor, *, position_B: Rows) -> Tensor:
        """Bool, shape (B,); `position_B` says which of the unlabelled images they are."""


class OneThreshold:
    """The same for all classes at all times."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def confident(self, probability_BK: Tensor, *, position_B: Rows) -> Tensor:  # noqa: ARG002, whichever they are
        """Those from the threshold on."""
        return is_confident(probability_BK, threshold_B=self._threshold)


class CurriculumThresholds:
    """One for each class, by how many of the unlabelled images were last predicted as it with the full threshold."""

    def __init__(self, threshold: float, *, images: int, classes: int, device: torch.device) -> None:
        self._threshold, self._classes = threshold, classes
        self._class_N = torch.full((images,), classes, device=device)  # the last number: undecided yet

    def confident(self, probability_BK: Tensor, *, position_B: Rows) -> Tensor:
        """Those from their class's threshold on; who passes the full threshold is counted from the next step on."""
        count_K1 = torch.bincount(self._class_N, minlength=self._classes + 1)
        threshold_K = curriculum_thresholds(
            count_K1[: self._classes], undecided=int(count_K1[self._classes]), threshold=self._threshold
        )
        class_B = probability_BK.argmax(dim=1)
        sure_B = is_confident(probability_BK, threshold_B=self._threshold)
        position = torch.from_numpy(position_B).to(class_B.device)
        self._class_N[position[sure_B]] = class_B[sure_B]
        return is_confident(probability_BK, threshold_B=threshold_K[class_B])
