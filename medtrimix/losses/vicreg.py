"""VICReg: two views agree, each dimension varies, and dimensions don't repeat each other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, relu

from medtrimix.losses.precision import full_precision

VARIANCE_FLOOR = 1e-4
"""Added to the variance of each dimension, as published."""


def vicreg(
    z1_BE: Tensor,
    z2_BE: Tensor,
    *,
    invariance_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
) -> Tensor:
    """Weighted sum of invariance, variance and covariance.

    Bardes, Ponce, LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised learning", ICLR
    2022, equations 1 to 6, with the scales of the published code: the squared difference is averaged over dimensions
    too, and the variance term over the two views. Variance and covariance are over B - 1.

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(z1_BE, z2_BE) as (z1, z2):
        variance = (_too_little_variance(z1) + _too_little_variance(z2)) / 2
        covariance = _covariance_of_dimensions(z1) + _covariance_of_dimensions(z2)
        return invariance_weight * mse_loss(z1, z2) + variance_weight * variance + covariance_weight * covariance


def _too_little_variance(z_BE: Tensor) -> Tensor:
    """Mean over dimensions of how far the standard deviation is below 1."""
    return relu(1 - torch.sqrt(z_BE.var(dim=0) + VARIANCE_FLOOR)).mean()


def _covariance_of_dimensions(z_BE: Tensor) -> Tensor:
    """Sum of the squared covariances of different dimensions, divided by the number of dimensions."""
    centred = z_BE - z_BE.mean(dim=0)
    covariance_EE = centred.T @ centred / (len(z_BE) - 1)
    return (covariance_EE - torch.diag(covariance_EE.diagonal())).square().sum() / z_BE.shape[1]
