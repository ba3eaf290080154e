"""A teacher: the moving average of a student's weights, which gives targets and gets no gradient."""

from __future__ import annotations

import math
from copy import deepcopy

import torch
from torch import Tensor, nn


class Teacher(nn.Module):
    """A copy of `students`, applied one after the other, that follows them slowly.

    Args:
        students: encoder and heads.
        momentum: share of its weights that it keeps at each step, at the start of the training; it rises to 1 at the
            end as in BYOL (Grill et al. 2020, section 3.3), unless `constant`, as in MoCo.
    """

    def __init__(self, *students: nn.Module, momentum: float, constant: bool = False) -> None:
        super().__init__()
        self.copies = nn.ModuleList(deepcopy(student) for student in students).requires_grad_(False)
        self.momentum, self.constant = momentum, constant

    @torch.no_grad()
    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Embeddings of the last student's copy, without gradient, normalised with the batch's statistics."""
        value = image_BCHW
        for copy in self.copies:
            value = copy(value)
        return value

    @torch.no_grad()
    def follow(self, *students: nn.Module, progress: float) -> None:
        """One step towards the students' weights; `progress` of the training is 0 to 1."""
        rising = 1 - (1 - self.momentum) * (math.cos(math.pi * progress) + 1) / 2
        kept = self.momentum if self.constant else rising
        for copy, student in zip(self.copies, students, strict=True):
            torch._foreach_lerp_(list(copy.parameters()), [p.detach() for p in student.parameters()], 1 - kept)
