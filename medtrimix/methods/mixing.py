"""Mixing: which images are blended, in what proportion, and the blend itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from medtrimix.errors import NumericalError

_NOISE = 0.05  # in cosine similarities: enough that the nearest few take turns
_NEVER = -1e3


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
    """The same shares, but partners are alike: each image is partner once, and never its own.

    Partners are the assignment with the largest sum of cosine similarities plus Gumbel noise, decided by (seed, step).
    A permutation, as random partners are: where an image is the partner of two, a contrastive loss sees its embedding
    as what to find and as what to stay away from.

    Raises:
        NumericalError: NaN or infinity among the embeddings.
    """
    from scipy.optimize import linear_sum_assignment

    with torch.autocast(embedding_BE.device.type, enabled=False):
        unit_BE = normalize(embedding_BE.detach().float(), dim=1)
        similarity_BB = (unit_BE @ unit_BE.T).double().cpu().numpy()
    if not np.isfinite(similarity_BB).all():
        raise NumericalError(f"The features became NaN or infinite at batch {step}.", fix="Lower the learning rate.")
    np.fill_diagonal(similarity_BB, _NEVER)
    generator = np.random.default_rng([seed, step, 3])
    noise = (_NOISE * generator.gumbel(size=similarity_BB.shape) for _ in mixing.row_KB[1:])
    partners = [linear_sum_assignment(similarity_BB + one, maximize=True)[1] for one in noise]
    partner_PB = torch.as_tensor(np.stack(partners), device=mixing.row_KB.device)
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
