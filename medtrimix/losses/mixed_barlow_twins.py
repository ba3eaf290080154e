"""Mixed Barlow Twins: the cross-correlation with a mixture is the mixture of cross-correlations."""

from __future__ import annotations

from torch import Tensor

from medtrimix.losses.barlow_twins import standardise
from medtrimix.losses.precision import full_precision


def mixed_correlation(
    mixed_BE: Tensor, z1_BE: Tensor, z2_BE: Tensor, *, share: Tensor, permutation_B: Tensor
) -> Tensor:
    """|M'Z1 / B - T1|^2 + |M'Z2 / B - T2|^2, squares summed over all pairs of dimensions.

    M, Z1, Z2 are the standardised embeddings of share * x1 + (1 - share) * x2[permutation], x1 and x2, and
    Ti = share * Z1'Zi / B + (1 - share) * Z2[permutation]'Zi / B. No gradient is stopped. Bandara, De Melo, Patel,
    "Guarding Barlow Twins against overfitting with mixed samples", arXiv 2312.02151, as in `main.py` of their code,
    but standardised as Barlow Twins is: there the deviation is over B - 1 and has no floor.

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(mixed_BE, z1_BE, z2_BE) as embeddings:
        mixed, z1, z2 = (standardise(z) for z in embeddings)
        share = share.to(z1.dtype)
        expected = share * z1 + (1 - share) * z2[permutation_B]
        return sum((((mixed - expected).T @ z / len(z)).square().sum() for z in (z1, z2)), start=z1.new_zeros(()))
