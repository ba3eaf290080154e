"""Neighbours as a learner: against scikit-learn, by hand, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from medtrimix.errors import NumericalError
from medtrimix.lowlabel.knn import fit_knn
from medtrimix.lowlabel.options import KNNOptions
from medtrimix.metrics.neighbours import distance_similarity, knn_probability


def features(n: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(5, 2, (n, 6))


def test_cosines_vote_as_the_pretrainings_watch_does() -> None:
    bank, query, target = features(60, seed=0), features(9, seed=1), np.arange(60) % 3
    found = fit_knn(bank, target, classes=3, options=KNNOptions()).predict(query)
    np.testing.assert_allclose(found, knn_probability(bank, target, query, classes=3), rtol=1e-12)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_at_a_high_temperature_it_is_scikit_learns(metric: str) -> None:
    bank, query, target = features(60, seed=0), features(9, seed=1), np.arange(60) % 3
    options = KNNOptions.model_validate({"metric": metric, "neighbours": 7, "temperature": 1e9})
    oracle = KNeighborsClassifier(n_neighbors=7, metric=metric).fit(bank, target)
    found = fit_knn(bank, target, classes=3, options=options).predict(query)
    np.testing.assert_allclose(found, oracle.predict_proba(query), atol=1e-6)


def test_a_hand_worked_distance() -> None:
    # Bank -1 and 1: mean 0, spread 1. From 0.5 the squared distances are 2.25 and .25.
    found = distance_similarity([[-1.0], [1.0]], [[0.5]])
    np.testing.assert_allclose(found, [[-1.125, -0.125]])


def test_distances_have_no_unit_and_no_origin() -> None:
    bank, query = features(20, seed=0), features(5, seed=1)
    moved = distance_similarity(1000 * bank + 7, 1000 * query + 7)
    np.testing.assert_allclose(moved, distance_similarity(bank, query), rtol=1e-8)


def test_a_balanced_vote_is_not_the_commoner_classs() -> None:
    """All alike, 9 of class 0 and 1 of class 1: shares .9 and .1, balanced one half each."""
    bank, target = np.ones((10, 2)), np.array([0] * 9 + [1])
    plain, balanced = (
        fit_knn(bank, target, classes=2, options=KNNOptions(class_weight=weight)).predict(np.ones((1, 2)))[0]
        for weight in ("none", "balanced")
    )
    assert plain == pytest.approx([0.9, 0.1])
    assert balanced == pytest.approx([0.5, 0.5])


def test_identical_features_are_all_as_near() -> None:
    options = KNNOptions(metric="euclidean")
    found = fit_knn(np.ones((4, 2)), np.array([0, 1, 0, 1]), classes=2, options=options).predict(np.ones((1, 2)))
    assert found[0] == pytest.approx([0.5, 0.5])


def test_it_refuses_features_that_are_no_numbers() -> None:
    with pytest.raises(NumericalError, match="not all finite"):
        fit_knn(np.full((4, 2), np.nan), np.array([0, 1, 0, 1]), classes=2, options=KNNOptions())
