"""The losses restated as slowly and literally as possible: loops over single numbers, in float64.

Numbers are 0-dimensional tensors, so that autograd gives the reference's gradient as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Rows = Sequence[Sequence[Tensor]]


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return sum((x * y for x, y in zip(a, b, strict=True)), start=torch.zeros((), dtype=torch.float64))


def _cosine(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return _dot(a, b) / (_dot(a, a).sqrt() * _dot(b, b).sqrt())


def nt_xent_per_sample(z1: Tensor, z2: Tensor, *, temperature: float) -> Tensor:
    """Chen et al. 2020, equation 1, averaged over (i, j) and (j, i)."""
    rows = [*z1, *z2]
    batch = len(z1)

    def direction(i: int, j: int) -> Tensor:
        others = [torch.exp(_cosine(rows[i], rows[k]) / temperature) for k in range(2 * batch) if k != i]
        return -torch.log(torch.exp(_cosine(rows[i], rows[j]) / temperature) / torch.stack(others).sum())

    return torch.stack([(direction(i, batch + i) + direction(batch + i, i)) / 2 for i in range(batch)])


def nt_xent(z1: Tensor, z2: Tensor, *, temperature: float) -> Tensor:
    return nt_xent_per_sample(z1, z2, temperature=temperature).mean()


def _statistics(z: Tensor, column: int) -> tuple[Tensor, Tensor]:
    values = [row[column] for row in z]
    mean = torch.stack(values).sum() / len(values)
    variance = torch.stack([(value - mean) ** 2 for value in values]).sum() / len(values)
    return mean, torch.sqrt(variance + 1e-5)


def barlow_twins(z1: Tensor, z2: Tensor, *, off_diagonal_weight: float) -> Tensor:
    """Zbontar et al. 2021, equations 1 and 2, with the epsilon of the published code's batch normalisation."""
    batch, dims = z1.shape
    total = torch.zeros((), dtype=torch.float64)
    for i in range(dims):
        mean1, deviation1 = _statistics(z1, i)
        for j in range(dims):
            mean2, deviation2 = _statistics(z2, j)
            products = [(z1[b][i] - mean1) / deviation1 * (z2[b][j] - mean2) / deviation2 for b in range(batch)]
            correlation = torch.stack(products).sum() / batch
            total = total + ((1 - correlation) ** 2 if i == j else off_diagonal_weight * correlation**2)
    return total


def soft_assignment(
    virtual: Tensor,
    z2: Tensor,
    *,
    weights: Sequence[float],
    permutation: Sequence[int],
    pair_loss: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    partner = torch.stack([z2[j] for j in permutation])
    return _weighted_mean(pair_loss(virtual, z2), pair_loss(virtual, partner), weights=weights)


def unmix(
    virtual: Tensor,
    z1: Tensor,
    z2: Tensor,
    *,
    weights: Sequence[float],
    permutation: Sequence[int],
    pair_loss: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    known = z1.detach()
    rest_a = torch.stack([virtual[i] - (1 - weights[i]) * known[j] for i, j in enumerate(permutation)])
    rest_b = torch.stack([virtual[i] - weights[i] * known[i] for i in range(len(virtual))])
    partner = torch.stack([z2[j] for j in permutation])
    return _weighted_mean(pair_loss(rest_a, z2), pair_loss(rest_b, partner), weights=weights)


def _weighted_mean(own: Tensor, other: Tensor, *, weights: Sequence[float]) -> Tensor:
    pairs = zip(weights, own.expand(len(weights)), other.expand(len(weights)), strict=True)
    return torch.stack([w * a + (1 - w) * b for w, a, b in pairs]).sum() / len(weights)


def cosine_consistency(virtual: Tensor, z1: Tensor, *, weights: Sequence[float], permutation: Sequence[int]) -> Tensor:
    unit = [[x / math.sqrt(sum(float(y) ** 2 for y in row)) for x in row] for row in z1.detach()]
    total = torch.zeros((), dtype=torch.float64)
    for i, j in enumerate(permutation):
        target = [weights[i] * a + (1 - weights[i]) * b for a, b in zip(unit[i], unit[j], strict=True)]
        total = total + 1 - _cosine(list(virtual[i]), target)
    return total / len(virtual)


def standardised_consistency(
    virtual: Tensor, z1: Tensor, *, weights: Sequence[float], permutation: Sequence[int]
) -> Tensor:
    clean = z1.detach()
    total = torch.zeros((), dtype=torch.float64)
    for column in range(z1.shape[1]):
        mean, deviation = _statistics(clean, column)
        for i, j in enumerate(permutation):
            own, other = (clean[i][column] - mean) / deviation, (clean[j][column] - mean) / deviation
            target = weights[i] * own + (1 - weights[i]) * other
            total = total + ((virtual[i][column] - mean) / deviation - target) ** 2
    return total / len(virtual)
