"""TriMix's third term: the embedding of a mixture should be the mixture of the embeddings.

The abstract of arXiv 2206.06023 names "a self-consistency term" between virtual and actual embeddings and gives no
formula. There is one form for each kind of base loss, in the space in which that loss compares. The clean side is
the target and gets no gradient: otherwise embeddings that are all alike would be the easiest way to agree.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from medtrimix.losses.barlow_twins import VARIANCE_FLOOR
from medtrimix.losses.precision import full_precision


def cosine_consistency(virtual_BE: Tensor, z1_BE: Tensor, *, share: Tensor, row_KB: Tensor) -> Tensor:
    """Mean of 1 - cos(z_v, sum over k of share[k] * u[row[k]]), u = z1 / |z1| without gradient; 0 to 2.

    For bases that compare directions (NT-Xent). Unit vectors are mixed, so that a long embedding does not count for
    more than its share. `share` has shape (K,) or (K, B).

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(virtual_BE, z1_BE) as (virtual, z1):
        target = _mixed(normalize(z1.detach(), dim=1), share=share, row_KB=row_KB)
        return (1 - cosine_similarity(virtual, target, dim=1)).mean()


def standardised_consistency(virtual_BE: Tensor, z1_BE: Tensor, *, share: Tensor, row_KB: Tensor) -> Tensor:
    """Mean over the batch of |s(z_v) - sum over k of share[k] * s(z1[row[k]])|^2, summed over dimensions.

    s standardises each dimension with mean and (biased) deviation of the clean batch z1, for both sides, without
    gradient: with statistics of its own the virtual side would lose the shrinkage that mixing causes. For bases that
    standardise (Barlow Twins). `share` has shape (K,) or (K, B).

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(virtual_BE, z1_BE) as (virtual, z1):
        clean = z1.detach()
        variance_E, mean_E = torch.var_mean(clean, dim=0, correction=0)
        scale_E = torch.rsqrt(variance_E + VARIANCE_FLOOR)
        target = _mixed((clean - mean_E) * scale_E, share=share, row_KB=row_KB)
        return ((virtual - mean_E) * scale_E - target).square().sum(dim=1).mean()


def _mixed(z_BE: Tensor, *, share: Tensor, row_KB: Tensor) -> Tensor:
    return (share.to(z_BE.dtype).reshape(len(share), -1, 1) * z_BE[row_KB]).sum(dim=0)
