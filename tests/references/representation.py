"""Measures of a representation, literally from the papers: loops over plain numbers."""

from __future__ import annotations

import math

import numpy as np


def rankme(rows: list[list[float]]) -> float:
    """Garrido et al. 2023, eq. 1 and 2. The singular values are roots of the eigenvalues of Z Z^T."""
    z = np.array(rows)
    gram = z @ z.T if len(z) <= z.shape[1] else z.T @ z
    singular = [math.sqrt(max(value, 0.0)) for value in np.linalg.eigvalsh(gram)]
    entropy = 0.0
    for value in singular:
        share = value / sum(singular) + 1e-7
        entropy -= share * math.log(share)
    return math.exp(entropy)


def unit(row: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in row))
    return [value / length for value in row]


def feature_std(rows: list[list[float]]) -> float:
    """Chen and He 2021, section 4.1: std of z / |z| of every channel, averaged."""
    units = [unit(row) for row in rows]
    deviations = []
    for channel in zip(*units, strict=True):
        mean = sum(channel) / len(channel)
        deviations.append(math.sqrt(sum((value - mean) ** 2 for value in channel) / len(channel)))
    return sum(deviations) / len(deviations)


def squared_distance(one: list[float], other: list[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(unit(one), unit(other), strict=True))


def alignment(first: list[list[float]], second: list[list[float]]) -> float:
    """Wang and Isola 2020, `lalign(x, y, alpha=2)`."""
    return sum(squared_distance(a, b) for a, b in zip(first, second, strict=True)) / len(first)


def uniformity(rows: list[list[float]]) -> float:
    """Wang and Isola 2020, `lunif(x, t=2)`: over pairs i < j, as `torch.pdist` gives them."""
    pairs = [(rows[i], rows[j]) for i in range(len(rows)) for j in range(i + 1, len(rows))]
    return math.log(sum(math.exp(-2 * squared_distance(a, b)) for a, b in pairs) / len(pairs))
