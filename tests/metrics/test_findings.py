"""Metrics of several findings: scikit-learn's macro averages, and one finding at a time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, roc_auc_score

from medtrimix.errors import InputError, NumericalError
from medtrimix.metrics.bootstrap import bootstrap_metrics
from medtrimix.metrics.evaluate import evaluate
from medtrimix.metrics.findings import as_questions, one_finding
from medtrimix.metrics.interval import patients_of_classes


def made(seed: int = 0, *, n: int = 80, findings: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target_NL = (rng.random((n, findings)) < [0.5, 0.3, 0.15][:findings]).astype(np.int64)
    score_NL = np.round(1 / (1 + np.exp(-rng.normal(1.2 * target_NL - 0.6))), 2)  # with ties
    return score_NL, target_NL, np.array([f"p{row // 2}" for row in range(n)])


def test_agrees_with_scikit_learn() -> None:
    score_NL, target_NL, _ = made()
    found = evaluate(score_NL, target_NL)
    assert found["auc"] == pytest.approx(roc_auc_score(target_NL, score_NL, average="macro"), abs=1e-12)
    assert found["average_precision"] == pytest.approx(
        average_precision_score(target_NL, score_NL, average="macro"), abs=1e-12
    )
    accuracy = np.mean([accuracy_score(target_NL[:, f], score_NL[:, f] > 0.5) for f in range(3)])
    assert found["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    brier = np.mean([brier_score_loss(target_NL[:, f], score_NL[:, f]) for f in range(3)])
    assert found["brier"] == pytest.approx(brier, abs=1e-12)


def test_draws_are_the_mean_over_findings_of_the_same_patients() -> None:
    score_NL, target_NL, patient_N = made()
    together = bootstrap_metrics(score_NL, target_NL, patient_N, draws=50, seed=4)["auc"]
    single = [
        bootstrap_metrics(*one_finding(score_NL, target_NL, number=f), patient_N, draws=50, seed=4)["auc"]
        for f in range(3)
    ]
    assert together.point == pytest.approx(np.mean([one.point for one in single]), abs=1e-12)
    np.testing.assert_allclose(together.value_R, np.mean([one.value_R for one in single], axis=0), atol=1e-12)


def test_questions_come_image_by_image() -> None:
    answers, target = as_questions(np.array([[0.9, 0.2], [0.4, 0.7]]), np.array([[1, 0], [0, 1]]))
    np.testing.assert_allclose(answers, [[0.1, 0.9], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    assert target.tolist() == [1, 0, 0, 1]


def test_patients_without_and_with_each_finding() -> None:
    target_NL = np.array([[1, 0], [0, 0], [1, 1]])
    assert patients_of_classes(target_NL, ["a", "a", "b"], classes=2) == (1, 2, 1, 1)


def test_what_is_no_probability_or_asks_nothing_is_refused() -> None:
    score_NL, target_NL, _ = made()
    with pytest.raises(NumericalError, match="between zero and one"):
        evaluate(score_NL * 3, target_NL)
    target_NL[:, 1] = 1
    with pytest.raises(InputError, match="Of the 3 findings, 1 are in none or in all of the 80 samples"):
        evaluate(score_NL, target_NL)
