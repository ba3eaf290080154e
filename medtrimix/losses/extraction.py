"""TriMix's second term: find the embeddings of the two originals again in that of their mixture.

The abstract of arXiv 2206.06023 says that the model learns "to extract the original embeddings from virtual ones"; no
formula of it is public. These are two readings. Both take their targets from the *other* view: with same-view
targets `soft_assignment` would have the gradient of self-consistency and add nothing.

Notation: z_v is the embedding of `weight * x1 + (1 - weight) * x1[permutation]`; `weight` is one number for the batch,
shape (), or one per sample, shape (B,).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from medtrimix.losses.precision import full_precision

PairLoss = Callable[[Tensor, Tensor], Tensor]
"""Two batches of embeddings -> a loss of shape () for the batch or (B,) for its pairs."""


def soft_assignment(
    virtual_BE: Tensor, z2_BE: Tensor, *, weight: Tensor, permutation_B: Tensor, pair_loss: PairLoss
) -> Tensor:
    """The virtual embedding belongs to both originals: weight * l(z_v, z2) + (1 - weight) * l(z_v, z2[permutation]).

    As i-Mix (Lee et al., ICLR 2021) and Un-Mix (Shen et al., AAAI 2022) do for their mixtures.

    Raises:
        ValueError: shapes don't fit, or weights per sample meet a loss that exists only for the batch.
    """
    return _weighted(
        pair_loss(virtual_BE, z2_BE), other_loss=pair_loss(virtual_BE, z2_BE[permutation_B]), weight=weight
    )


def unmix(
    virtual_BE: Tensor, z1_BE: Tensor, z2_BE: Tensor, *, weight: Tensor, permutation_B: Tensor, pair_loss: PairLoss
) -> Tensor:
    """Each original's embedding is what remains of the virtual one without the other: the literal reading.

    r_a = z_v - (1 - weight) * sg(z1[permutation]) is compared with z2, r_b = z_v - weight * sg(z1) with
    z2[permutation], weighted as in `soft_assignment`; sg stops the gradient.

    Raises:
        ValueError: shapes don't fit, or weights per sample meet a loss that exists only for the batch.
    """
    with full_precision(virtual_BE, z1_BE, z2_BE) as (virtual, z1, z2):
        share = weight.to(z1.dtype).reshape(-1, 1)
        known = z1.detach()
        remains_of_own = virtual - (1 - share) * known[permutation_B]
        remains_of_other = virtual - share * known
    return _weighted(
        pair_loss(remains_of_own, z2), other_loss=pair_loss(remains_of_other, z2[permutation_B]), weight=weight
    )


def _weighted(own_loss: Tensor, *, other_loss: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim and own_loss.shape != weight.shape:
        raise ValueError(
            f"weights per sample, shape {tuple(weight.shape)}, need a loss per sample; "
            f"this one has shape {tuple(own_loss.shape)}"
        )
    weight = weight.to(own_loss.dtype)
    return (weight * own_loss + (1 - weight) * other_loss).mean()
