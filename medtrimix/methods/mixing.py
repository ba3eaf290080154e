"""Mixing: which images are blended, in what proportion, and the blend itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixing:
    """How a batch is mixed: row i becomes weight * row i + (1 - weight) * row permutation[i].

    Attributes:
        weight: the larger share, .5 to 1, float32; shape () for the batch or (B,) per sample.
        permutation_B: int64; a row may meet itself, as in mixup.
    """

    weight: Tensor
    permutation_B: Tensor


def draw_mixing(
    batch_size: int,
    *,
    alpha: float,
    lambda_per: Literal["batch", "sample"],
    seed: int,
    step: int,
    device: torch.device | str = "cpu",
) -> Mixing:
    """A permutation and weights max(l, 1 - l), l ~ Beta(alpha, alpha), decided by (seed, step) alone.

    They are drawn by numpy on the CPU, so every device sees the same ones and a resumed training needs no saved state.
    """
    generator = np.random.default_rng([seed, step])
    permutation_B = generator.permutation(batch_size)
    share = generator.beta(alpha, alpha, size=batch_size if lambda_per == "sample" else ())
    folded = np.maximum(share, 1 - share).astype(np.float32)
    return Mixing(
        weight=torch.as_tensor(folded, device=device), permutation_B=torch.as_tensor(permutation_B, device=device)
    )


def mix(batch: Tensor, *, mixing: Mixing) -> Tensor:
    """Virtual images of a view (B, C, H, W), virtual features (B, E), or of anything else with the batch first.

    Linear: mix after augmentation and normalisation.
    """
    weight = mixing.weight.to(batch.dtype).reshape(-1, *[1] * (batch.ndim - 1))
    return torch.lerp(batch[mixing.permutation_B], batch, weight)
