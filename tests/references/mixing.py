"""Mixtures of two in the form that the losses take."""

from __future__ import annotations

import torch
from torch import Tensor


def two(weight: Tensor, partner: Tensor) -> dict[str, Tensor]:
    """`weight` (shape () or (B,)) of the image itself, the rest of its partner."""
    own = torch.arange(len(partner))
    return {"share": torch.stack([weight, 1 - weight]), "row_KB": torch.stack([own, partner])}
