"""Parts of the test set: each as if it were alone, and what is said where nothing can be measured."""

from __future__ import annotations

import numpy as np
import pytest

from medtrimix.metrics.evaluate import evaluate
from medtrimix.metrics.groups import MOST_GROUPS, GroupResult, breakdown

CLASSES = ("normal", "opacity")


def cohort() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target_N = rng.integers(2, size=120)
    score_N = np.clip(rng.normal(0.4 + 0.2 * target_N, 0.2), 0, 1)
    patient_N = np.array([f"p{number:02}" for number in rng.integers(60, size=120)])
    group_N = np.where(np.arange(120) < 70, "a", "b")
    target_N[110:], group_N[110:] = 0, "c"
    return np.column_stack([1 - score_N, score_N]), target_N, patient_N, group_N


def parts(group_N: np.ndarray) -> tuple[GroupResult, ...]:
    probability_NK, target_N, patient_N, _ = cohort()
    return breakdown(probability_NK, target_N, patient_N, group_N, column="device", classes=CLASSES, draws=100, seed=0)


def test_a_part_is_measured_as_if_it_were_alone() -> None:
    probability_NK, target_N, patient_N, group_N = cohort()
    found = parts(group_N)
    assert [(each.column, each.value, each.n) for each in found] == [
        ("device", "a", 70),
        ("device", "b", 40),
        ("device", "c", 10),
    ]
    for each in found[:2]:
        here_N = group_N == each.value
        alone = evaluate(probability_NK[here_N], target_N[here_N])
        for name, metric in each.metrics.items():
            assert metric.value == pytest.approx(alone[name], abs=1e-12)
            assert metric.low <= metric.value <= metric.high
            assert metric.n == each.n
        assert each.n_patients == len(set(patient_N[here_N]))
        assert each.missing == ()


def test_a_part_without_a_class_says_which() -> None:
    lacking = parts(cohort()[3])[2]
    assert (lacking.missing, lacking.count_K, dict(lacking.metrics)) == (("opacity",), (10, 0), {})


def test_one_value_or_too_many_are_no_parts() -> None:
    assert parts(np.full(120, "a")) == ()
    assert parts(np.arange(120) % (MOST_GROUPS + 1)) == ()
    assert len(parts(np.arange(120) % 2)) == 2


def test_a_part_with_a_single_positive_patient_has_an_honest_interval() -> None:
    probability_NK, target_N = np.array([[0.1, 0.9]] + [[0.8, 0.2]] * 9), np.array([1] + [0] * 9)
    group_N = np.array(["a"] * 5 + ["b"] * 5)
    found = breakdown(
        probability_NK, target_N, np.arange(10).astype(str), group_N, column="site", classes=CLASSES, draws=100, seed=0
    )
    auc = found[0].metrics["auc"]
    assert auc.value == auc.high == 1.0
    assert auc.low < 0.5
