"""TriMix's second term: find the embeddings of the originals again in that of their mixture.

The abstract of arXiv 2206.06023 says that the model learns "to extract the original embeddings from virtual ones"; no
formula of it is public. These are two readings. Both take their targets from the *other* view: with same-view
targets `soft_assignment` would have the gradient of self-consistency and add nothing.

Notation: z_v is the embedding of the mixture sum over k of share[k] * x1[row[k]]; row[0] is the image itself. `share`
has shape (K,) for the batch or (K, B) per sample, `row_KB` holds row numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from medtrimix.losses.precision import full_precision

PairLoss = Callable[[Tensor, Tensor], Tensor]
"""Two batches of embeddings -> a loss of shape () for the batch or (B,) for its pairs."""


def soft_assignment(
    virtual_BE: Tensor, target_BE: Tensor, *, share: Tensor, row_KB: Tensor, pair_loss: PairLoss
) -> Tensor:
    """The virtual embedding belongs to all originals: mean of the sum over k of share[k] * l(z_v, target[row[k]]).

    As i-Mix (Lee et al., ICLR 2021) and Un-Mix (Shen et al., AAAI 2022) do for their mixtures.

    Raises:
        ValueError: shapes don't fit, or shares per sample meet a loss that exists only for the batch.
    """
    with full_precision(virtual_BE, target_BE) as (virtual, target):
        return weighted([pair_loss(virtual, target[row_B]) for row_B in row_KB], share=share)


def unmix(
    virtual_BE: Tensor, z1_BE: Tensor, target_BE: Tensor, *, share: Tensor, row_KB: Tensor, pair_loss: PairLoss
) -> Tensor:
    """Each original's embedding is what remains of the virtual one without the others: the literal reading.

    r_k = z_v - sum over j != k of share[j] * sg(z1[row[j]]) is compared with target[row[k]], weighted as in
    `soft_assignment`; sg stops the gradient.

    Raises:
        ValueError: shapes don't fit, or shares per sample meet a loss that exists only for the batch.
    """
    with full_precision(virtual_BE, z1_BE, target_BE) as (virtual, z1, target):
        known_KBE = z1.detach()[row_KB]
        part_KBE = share.to(z1.dtype).reshape(len(share), -1, 1) * known_KBE
        rest_KBE = virtual - (part_KBE.sum(dim=0) - part_KBE)
        losses = [pair_loss(rest_BE, target[row_B]) for rest_BE, row_B in zip(rest_KBE, row_KB, strict=True)]
        return weighted(losses, share=share)


def weighted(losses: list[Tensor], *, share: Tensor) -> Tensor:
    """Mean over the batch of the sum over k of share[k] * losses[k].

    Raises:
        ValueError: shares per sample, (K, B), meet losses that exist only for the batch.
    """
    if share.ndim == 2 and losses[0].shape != share.shape[1:]:
        raise ValueError(
            f"shares per sample, shape {tuple(share.shape)}, need a loss per sample; "
            f"this one has shape {tuple(losses[0].shape)}"
        )
    parts = [share_k.to(loss.dtype) * loss for share_k, loss in zip(share, losses, strict=True)]
    return torch.stack(parts).sum(dim=0).mean()
