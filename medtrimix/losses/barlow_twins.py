"""Barlow Twins: two views agree in each dimension, and no two dimensions say the same."""

from __future__ import annotations

import torch
from torch import Tensor

from medtrimix.losses.precision import full_precision

VARIANCE_FLOOR = 1e-5
"""Added to the variance of each dimension, as in the published code (the epsilon of its batch normalisation)."""


def standardise(z_BE: Tensor) -> Tensor:
    """Each dimension with mean 0 and (biased) variance 1 over the batch."""
    variance_E, mean_E = torch.var_mean(z_BE, dim=0, correction=0)
    return (z_BE - mean_E) * torch.rsqrt(variance_E + VARIANCE_FLOOR)


def barlow_twins(z1_BE: Tensor, z2_BE: Tensor, *, off_diagonal_weight: float = 0.0051) -> Tensor:
    """Sum over dimensions of (C_ii - 1)^2 + off_diagonal_weight * sum over i != j of C_ij^2.

    C is the cross-correlation matrix of the two views over the batch. Zbontar et al., "Barlow Twins:
    self-supervised learning via redundancy reduction", ICML 2021, equations 1 and 2, with their weight.

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(z1_BE, z2_BE) as (z1, z2):
        correlation_EE = standardise(z1).T @ standardise(z2) / len(z1)
        diagonal_E = correlation_EE.diagonal()
        off_diagonal = correlation_EE - torch.diag(diagonal_E)  # not "all - diagonal" of the sums: that cancels
        return (diagonal_E - 1).square().sum() + off_diagonal_weight * off_diagonal.square().sum()
