"""Mixing: which images are blended, in what proportion, and the blend itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

_NEAREST = 8


@dataclass(frozen=True)
class Mixing:
    """How a batch is mixed: row i becomes the sum over k of share k * row row_KB[k, i].

    Attributes:
        share: of each original, float32, sums to 1, in TriMix the first is the largest; (K,) for the batch or (K, B).
        row_KB: int64; the first row is 0 to B - 1. An image may meet itself, as in mixup.
    """

    share: Tensor
    row_KB: Tensor


def draw_mixing(
    batch_size: int,
    *,
    alpha: float,
    lambda_per: Literal["batch", "sample"],
    seed: int,
    step: int,
    originals: int = 2,
    folded: bool = True,
    device: torch.device | str = "cpu",
) -> Mixing:
    """Random partners, and shares from Dirichlet(alpha, ...) with the largest first, decided by (seed, step) alone.

    For two originals that is max(l, 1 - l) with l ~ Beta(alpha, alpha), or l itself if not `folded`. All is drawn by
    numpy on the CPU, so every device sees the same numbers and a resumed training needs no saved state.
    """
    generator = np.random.default_rng([seed, step])
    partners = [generator.permutation(batch_size) for _ in range(originals - 1)]
    if originals == 2:
        # A Beta distribution by name: for small alpha it stays exact where Dirichlet's quotient is 0 / 0.
        first = generator.beta(alpha, alpha, size=batch_size if lambda_per == "sample" else 1)
        share_nK = np.stack([first, 1 - first], axis=1)
    else:
        share_nK = generator.dirichlet([alpha] * originals, size=batch_size if lambda_per == "sample" else 1)
    share_Kn = (-np.sort(-share_nK, axis=1) if folded else share_nK).T.astype(np.float32)
    share = share_Kn if lambda_per == "sample" else share_Kn[:, 0]
    return Mixing(
        share=torch.as_tensor(np.ascontiguousarray(share), device=device),
        row_KB=torch.as_tensor(np.stack([np.arange(batch_size), *partners]), device=device),
    )


def with_near_partners(mixing: Mixing, *, embedding_BE: Tensor, seed: int, step: int) -> Mixing:
    """The same shares, but each partner is drawn from the 8 images of the batch with the largest cosine similarity."""
    unit_BE = normalize(embedding_BE.detach().float(), dim=1)
    similarity_BB = (unit_BE @ unit_BE.T).fill_diagonal_(-torch.inf)
    near_BN = similarity_BB.topk(min(_NEAREST, len(unit_BE) - 1), dim=1).indices
    count, batch = near_BN.shape[1], len(unit_BE)
    place = np.random.default_rng([seed, step, count]).integers(count, size=(len(mixing.row_KB) - 1, batch))
    place_PB = torch.as_tensor(place, device=near_BN.device)
    partner_PB = near_BN.T.gather(0, place_PB)
    return Mixing(share=mixing.share, row_KB=torch.cat([mixing.row_KB[:1], partner_PB]))


def mix(batch: Tensor, *, mixing: Mixing) -> Tensor:
    """Virtual images of a view (B, C, H, W), virtual features (B, E), or of anything else with the batch first.

    Linear: mix after augmentation and normalisation.
    """
    share_Kn = mixing.share.to(batch.dtype).reshape(len(mixing.row_KB), -1, *[1] * (batch.ndim - 1))
    mixed = share_Kn[0] * batch
    for share_n, row_B in zip(share_Kn[1:], mixing.row_KB[1:], strict=True):
        mixed = torch.addcmul(mixed, share_n.expand_as(batch), batch[row_B])
    return mixed
