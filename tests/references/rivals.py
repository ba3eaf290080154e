"""The rivals' losses restated as slowly and literally as possible: loops over single numbers, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def _sum(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    dot = _sum([x * y for x, y in zip(a, b, strict=True)])
    return dot / (_sum([x * x for x in a]).sqrt() * _sum([y * y for y in b]).sqrt())


def vicreg(z1: Tensor, z2: Tensor, *, invariance: float, variance: float, covariance: float) -> Tensor:
    """Bardes et al. 2022, with the means of the published code's `mse_loss`, `mean(relu(1 - std)) / 2`, `div(D)`."""
    batch, dims = z1.shape
    squares = [(z1[b][i] - z2[b][i]) ** 2 for b in range(batch) for i in range(dims)]
    total = invariance * _sum(squares) / (batch * dims)
    for z in (z1, z2):
        mean = [_sum([z[b][i] for b in range(batch)]) / batch for i in range(dims)]
        for i in range(dims):
            spread = _sum([(z[b][i] - mean[i]) ** 2 for b in range(batch)]) / (batch - 1)
            missing = 1 - (spread + 1e-4).sqrt()
            if missing > 0:
                total = total + variance * missing / dims / 2
            for j in range(dims):
                if i != j:
                    products = [(z[b][i] - mean[i]) * (z[b][j] - mean[j]) for b in range(batch)]
                    total = total + covariance * (_sum(products) / (batch - 1)) ** 2 / dims
    return total


def cosine_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Grill et al. 2020, equation 2: the squared distance of unit vectors."""
    fixed = target.detach()
    rows = []
    for p, t in zip(prediction, fixed, strict=True):
        p_length, t_length = _sum([x * x for x in p]).sqrt(), math.sqrt(sum(float(x) ** 2 for x in t))
        rows.append(_sum([(x / p_length - y / t_length) ** 2 for x, y in zip(p, t, strict=True)]))
    return torch.stack(rows)


def n_pair(query: Tensor, key: Tensor, *, temperature: float) -> Tensor:
    """Lee et al. 2021: the N-pair form, where each second view is a class of its own."""
    rows = []
    for i in range(len(query)):
        similar = [torch.exp(_cosine(query[i], other) / temperature) for other in key]
        rows.append(-torch.log(similar[i] / _sum(similar)))
    return torch.stack(rows)


def i_mix(
    virtual: Tensor, key: Tensor, *, shares: Sequence[float], permutation: Sequence[int], temperature: float
) -> Tensor:
    """Lee et al. 2021: cross-entropy with the mixed label, which lies on two keys."""
    rows = []
    for i, j in enumerate(permutation):
        similar = [torch.exp(_cosine(virtual[i], other) / temperature) for other in key]
        own, other = (-torch.log(similar[place] / _sum(similar)) for place in (i, j))
        rows.append(shares[i] * own + (1 - shares[i]) * other)
    return _sum(rows) / len(rows)


def contrast_with_queue(query: Tensor, key: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """He et al. 2020, equation 1."""
    rows = []
    for q, k in zip(query, key, strict=True):
        own = torch.exp(_cosine(q, k) / temperature)
        others = [torch.exp(_cosine(q, old) / temperature) for old in queue]
        rows.append(-torch.log(own / _sum([own, *others])))
    return torch.stack(rows)


def mixed_correlation(mixed: Tensor, z1: Tensor, z2: Tensor, *, share: float, permutation: Sequence[int]) -> Tensor:
    """`main.py` of Bandara et al. 2023: `cc_m_1` and `cc_m_2` against their `_gt`, with Barlow Twins' deviations."""

    def standard(z: Tensor) -> list[list[Tensor]]:
        columns = []
        for i in range(z.shape[1]):
            mean = _sum([row[i] for row in z]) / len(z)
            deviation = (_sum([(row[i] - mean) ** 2 for row in z]) / len(z) + 1e-5).sqrt()
            columns.append([(row[i] - mean) / deviation for row in z])
        return columns

    m, a, b = standard(mixed), standard(z1), standard(z2)
    dims, batch = z1.shape[1], len(z1)
    total = torch.zeros((), dtype=torch.float64)
    for clean in (a, b):
        for i in range(dims):
            for j in range(dims):
                seen = _sum([m[i][n] * clean[j][n] for n in range(batch)]) / batch
                own = _sum([a[i][n] * clean[j][n] for n in range(batch)]) / batch
                other = _sum([b[i][permutation[n]] * clean[j][n] for n in range(batch)]) / batch
                total = total + (seen - share * own - (1 - share) * other) ** 2
    return total
