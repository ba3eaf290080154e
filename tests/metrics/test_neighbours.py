"""Votes of the nearest neighbours: against a literal restatement, by hand, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from medtrimix.errors import NumericalError
from medtrimix.metrics.neighbours import knn_probability


def literal(bank: list[list[float]], target: list[int], query: list[float], *, classes: int, k: int) -> list[float]:
    """Wu et al. 2018, section 3.4: w_c = sum over neighbours of class c of exp(s_i / 0.07)."""

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    nearest = sorted(range(len(bank)), key=lambda row: -cosine(bank[row], query))[:k]
    votes = [0.0] * classes
    for row in nearest:
        votes[target[row]] += math.exp(cosine(bank[row], query) / 0.07)
    return [vote / sum(votes) for vote in votes]


def test_votes_are_those_of_the_restatement() -> None:
    generator = np.random.default_rng(0)
    bank, query = generator.normal(size=(50, 4)), generator.normal(size=(6, 4))
    target = generator.integers(3, size=50)
    found = knn_probability(bank, target, query, classes=3)
    expected = [literal(bank.tolist(), target.tolist(), row, classes=3, k=20) for row in query.tolist()]
    assert found == pytest.approx(np.array(expected), rel=1e-9)


def test_at_a_high_temperature_all_neighbours_count_alike_as_in_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    bank, query = generator.normal(size=(60, 5)), generator.normal(size=(8, 5))
    target = generator.integers(2, size=60)
    oracle = KNeighborsClassifier(n_neighbors=7, metric="cosine").fit(bank, target).predict_proba(query)
    assert knn_probability(bank, target, query, classes=2, neighbours=7, temperature=1e9) == pytest.approx(oracle)


def test_by_hand() -> None:
    # Cosines 1, 0 and -1 with the query (1, 0); the two nearest vote with weights e^(1/1) and e^(0/1): e / (e + 1).
    bank, target = [[2, 0], [0, 3], [-1, 0]], np.array([1, 0, 0])
    found = knn_probability(bank, target, [[1, 0], [5, 0]], classes=2, neighbours=2, temperature=1.0)
    assert found == pytest.approx(np.array([[1 / (math.e + 1), math.e / (math.e + 1)]] * 2))


def test_a_bank_smaller_than_the_number_of_neighbours_is_used_whole() -> None:
    found = knn_probability([[1, 0], [1, 0]], np.array([0, 1]), [[1, 0], [0, 1]], classes=2)
    assert found == pytest.approx(np.full((2, 2), 0.5))


@pytest.mark.parametrize(
    ("bank", "target", "classes", "neighbours"),
    [
        (np.ones((3, 3)), [0, 1, 0], 2, 20),  # dimensions
        (np.ones((3, 2)), [0, 1], 2, 20),  # number of classes
        (np.ones((3, 2)), [0, 1, 2], 2, 20),  # a class too many
        (np.ones((3, 2)), [0, 1, -1], 2, 20),  # an unlabelled one
        (np.ones((3, 2)), [0, 1, 0], 2, 0),
    ],
)
def test_what_does_not_fit_is_refused(bank: object, target: list[int], classes: int, neighbours: int) -> None:
    with pytest.raises(ValueError, match=r"fit|expected"):
        knn_probability(bank, np.array(target), np.ones((2, 2)), classes=classes, neighbours=neighbours)  # type: ignore[arg-type]


def test_embeddings_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(NumericalError, match="NaN"):
        knn_probability(np.full((3, 2), np.nan), np.array([0, 1, 0]), np.ones((2, 2)), classes=2)
