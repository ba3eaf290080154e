"""NT-Xent, the contrastive loss of SimCLR."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from medtrimix.losses.precision import full_precision


def nt_xent_per_sample(z1_BE: Tensor, z2_BE: Tensor, *, temperature: float) -> Tensor:
    """Loss of each positive pair (z1[i], z2[i]), shape (B,): the mean of its two directions.

    Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020, equation 1:
    all 2B embeddings are candidates for each anchor, except the anchor itself.

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(z1_BE, z2_BE) as (z1, z2):
        batch = len(z1)
        unit_2BE = normalize(torch.cat([z1, z2]), dim=1)
        logits = unit_2BE @ unit_2BE.T / temperature
        itself = torch.eye(2 * batch, dtype=torch.bool, device=logits.device)
        positive = torch.arange(2 * batch, device=logits.device).roll(batch)
        loss_2B = cross_entropy(logits.masked_fill(itself, -torch.inf), positive, reduction="none")
        return (loss_2B[:batch] + loss_2B[batch:]) / 2


def nt_xent(z1_BE: Tensor, z2_BE: Tensor, *, temperature: float) -> Tensor:
    """Mean of `nt_xent_per_sample` over the batch: 0 at best, log(2B - 1) for embeddings that are all alike."""
    return nt_xent_per_sample(z1_BE, z2_BE, temperature=temperature).mean()
