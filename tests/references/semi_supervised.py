"""The semi-supervised losses restated as slowly and literally as possible: loops over single numbers, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def _softmax(logits: Sequence[Tensor]) -> list[Tensor]:
    odds = [torch.exp(value) for value in logits]
    total = torch.stack(odds).sum()
    return [value / total for value in odds]


def fixmatch(strong: Tensor, weak: Tensor, *, threshold: float) -> Tensor:
    """Sohn et al. 2020, equation 4: 1/B sum of 1(max q_b >= tau) H(argmax q_b, p(strong view)); q of weak logits."""
    total = torch.zeros((), dtype=torch.float64)
    for strong_logits, weak_logits in zip(strong, weak, strict=True):
        q = [float(value) for value in _softmax(list(weak_logits.detach()))]
        if max(q) >= threshold:
            total = total - torch.log(_softmax(list(strong_logits))[q.index(max(q))])
    return total / len(strong)


def mean_teacher(student: Tensor, teacher: Tensor) -> Tensor:
    """`softmax_mse_loss` of Tarvainen and Valpola's code over the batch: squares, over classes and images."""
    total = torch.zeros((), dtype=torch.float64)
    for student_logits, teacher_logits in zip(student, teacher.detach(), strict=True):
        for p, q in zip(_softmax(list(student_logits)), _softmax(list(teacher_logits)), strict=True):
            total = total + (p - q) ** 2
    return total / student.numel()


def ict(student: Tensor, teacher: Tensor, *, shares: Sequence[float], permutation: Sequence[int]) -> Tensor:
    """Verma et al. 2019, figure 1: the student's predictions of mixtures against mixtures of the teacher's."""
    said = [[float(value) for value in _softmax(list(row))] for row in teacher.detach()]
    total = torch.zeros((), dtype=torch.float64)
    for j, logits in enumerate(student):
        for c, p in enumerate(_softmax(list(logits))):
            mixed = shares[j] * said[j][c] + (1 - shares[j]) * said[permutation[j]][c]
            total = total + (p - mixed) ** 2
    return total / student.numel()


def flexmatch_thresholds(classes_of: Sequence[int | None], *, classes: int, threshold: float) -> list[float]:
    """Algorithm 1 of Zhang et al. 2021: `classes_of` each unlabelled image, None while it never was sure."""
    sigma = [sum(1 for found in classes_of if found == c) for c in range(classes)]
    undecided = sum(1 for found in classes_of if found is None)
    if max(sigma) < undecided:
        beta = [count / max(max(sigma), undecided) for count in sigma]
    else:
        beta = [count / max(sigma) for count in sigma]
    return [(b / (2 - b)) * threshold for b in beta]


def distribution_alignment(row: Sequence[float], *, wanted: Sequence[float], seen: Sequence[float]) -> list[float]:
    """Berthelot et al. 2020, section 3.1: Normalize(q * p(y) / p~(y))."""
    scaled = [q * p / s for q, p, s in zip(row, wanted, seen, strict=True)]
    return [value / sum(scaled) for value in scaled]


def lees_alpha(t: float, *, t1: float, t2: float, final: float) -> float:
    """Lee 2013, equation 16."""
    if t < t1:
        return 0.0
    if t < t2:
        return (t - t1) / (t2 - t1) * final
    return final


def laines_rampup(epoch: float, *, length: float) -> float:
    """Laine and Aila 2017, section 2: exp(-5 (1 - T)^2), T rising linearly from 0 to 1."""
    return math.exp(-5 * (1 - min(epoch / length, 1)) ** 2)
