"""What turns predictions into pseudo labels, and remembers in between."""

from __future__ import annotations

from typing import Protocol

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
        wanted_QK = task.counts() / len(task.train.row_N)
        self._wanted_QK = torch.tensor(wanted_QK, dtype=torch.float32, device=device)
        self._alignment = alignment
        self._seen_QK: Tensor | None = None

    def __call__(self, logit_BK: Tensor) -> Tensor:
        """Probabilities, float32."""
        probability_BK = logit_BK.detach().float().softmax(dim=1)
        if self._alignment == "none":
            return probability_BK
        questions = len(self._wanted_QK)
        now_QK = torch.stack([probability_BK[question::questions].mean(dim=0) for question in range(questions)])
        self._seen_QK = now_QK if self._seen_QK is None else self._seen_QK.lerp(now_QK, 1 - _KEPT)
        answers_BK = torch.empty_like(probability_BK)
        for question, (wanted_K, seen_K) in enumerate(zip(self._wanted_QK, self._seen_QK, strict=True)):
            of_question = slice(question, None, questions)
            answers_BK[of_question] = aligned(probability_BK[of_question], wanted_K=wanted_K, seen_K=seen_K)
        return answers_BK


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
    """One for each class, by how many of the unlabelled images were last predicted as it with the full threshold.

    Of several findings each question has its own.
    """

    def __init__(self, threshold: float, *, images: int, task: Task, device: torch.device) -> None:
        self._threshold, self._answers = threshold, task.answers
        self._answer_NQ = torch.full((images, task.questions), task.answers, device=device)  # undecided yet

    def confident(self, probability_BK: Tensor, *, position_B: Rows) -> Tensor:
        """Those from their class's threshold on; who passes the full threshold is counted from the next step on."""
        questions = self._answer_NQ.shape[1]
        threshold_QK = torch.stack([self._of_question(answer_N) for answer_N in self._answer_NQ.T])
        answer_B, device = probability_BK.argmax(dim=1), probability_BK.device
        question_B = torch.arange(len(probability_BK), device=device) % questions
        image_B = torch.from_numpy(position_B).to(device).repeat_interleave(questions)
        sure_B = is_confident(probability_BK, threshold_B=self._threshold)
        self._answer_NQ[image_B[sure_B], question_B[sure_B]] = answer_B[sure_B]
        return is_confident(probability_BK, threshold_B=threshold_QK[question_B, answer_B])

    def _of_question(self, answer_N: Tensor) -> Tensor:
        count_K1 = torch.bincount(answer_N, minlength=self._answers + 1)
        return curriculum_thresholds(count_K1[:-1], undecided=int(count_K1[-1]), threshold=self._threshold)
