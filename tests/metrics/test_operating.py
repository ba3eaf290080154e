"""Thresholds chosen on one set and applied to another: by hand, against scikit-learn's curve, ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from medtrimix.metrics.bootstrap import bootstrap_metrics
from medtrimix.metrics.findings import one_finding
from medtrimix.metrics.operating import (
    at_thresholds,
    point_name,
    points_of_findings,
    sensitivity_above,
    specificity_above,
    threshold_at,
    thresholds_of,
)


def columns(score_N: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - score_N, score_N])


def applied(threshold: float, score_N: np.ndarray, target_N: np.ndarray) -> tuple[float, float]:
    once_RN = np.ones((1, len(score_N)))
    return tuple(  # type: ignore[return-value]
        float(above(threshold)(columns(score_N), target_N, once_RN)[0])
        for above in (sensitivity_above, specificity_above)
    )


def test_by_hand() -> None:
    # Ten negatives .0 to .9; one of them may be called at 90%, so .8 must not; the next score is .85.
    score_N = np.array([*np.arange(10) / 10, 0.85, 0.3])
    target_N = np.array([0] * 10 + [1, 1])
    assert threshold_at(score_N, target_N, specificity=0.9) == pytest.approx(0.825)
    assert applied(0.825, score_N, target_N) == (0.5, 0.9)
    # Another set, the same threshold: its specificity is what it is.
    assert applied(0.825, np.array([0.9, 0.95, 0.1, 0.83]), np.array([0, 0, 0, 1])) == (1.0, pytest.approx(1 / 3))


@given(seed=st.integers(0, 5000), specificity=st.sampled_from([0.5, 0.8, 0.9, 0.95]), decimals=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_on_its_own_set_it_is_the_best_point_of_the_curve(seed: int, specificity: float, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    target_N = np.append(rng.integers(2, size=38), [0, 1])
    score_N = np.clip(rng.normal(0.4 + 0.2 * target_N, 0.2), 0, 1).round(decimals)
    found = applied(threshold_at(score_N, target_N, specificity=specificity), score_N, target_N)
    fpr, tpr, _ = roc_curve(target_N, score_N, drop_intermediate=False)
    assert found[1] >= specificity - 1e-9
    assert found[0] == pytest.approx(tpr[1 - fpr >= specificity - 1e-9].max())


def test_a_draw_without_a_class_is_undefined() -> None:
    weight_RN = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    target_N, score_N = np.array([0, 0, 1]), np.array([0.2, 0.7, 0.9])
    sensitivity_R = sensitivity_above(0.5)(columns(score_N), target_N, weight_RN)
    specificity_R = specificity_above(0.5)(columns(score_N), target_N, weight_RN)
    np.testing.assert_array_equal(sensitivity_R, [np.nan, 1.0])
    np.testing.assert_array_equal(specificity_R, [0.5, np.nan])


def test_a_negative_at_the_top_leaves_nothing_called() -> None:
    score_N, target_N = np.array([1.0, 0.9, 0.1]), np.array([0, 1, 0])
    assert applied(threshold_at(score_N, target_N, specificity=0.9), score_N, target_N) == (0.0, 1.0)


def test_a_negative_that_must_not_be_called_is_not_even_if_scores_are_neighbours() -> None:
    barred = 1 - 2**-52
    score_N, positive_N = np.array([barred, np.nextafter(barred, 1)]), np.array([0, 1])
    assert barred < threshold_at(score_N, positive_N, specificity=0.9) <= score_N[1]


def test_each_of_several_findings_has_the_points_of_its_own_question() -> None:
    rng = np.random.default_rng(0)
    target_NL = (rng.random((240, 2)) < [0.4, 0.2]).astype(np.int64)
    score_NL = np.clip(rng.normal(0.3 + 0.3 * target_NL, 0.2), 0, 1)
    patient_N = np.array([f"p{row // 2}" for row in range(120)])
    val, test = ((score_NL[rows], target_NL[rows]) for rows in (slice(120), slice(120, None)))
    found = points_of_findings(val, test, patient_N, names=("edema", "mass"), aims=(0.8, 0.9), draws=200, seed=1)
    assert [(point.finding, point.specificity_aimed) for point in found] == [
        ("edema", 0.8),
        ("edema", 0.9),
        ("mass", 0.8),
        ("mass", 0.9),
    ]
    for number, name in enumerate(("edema", "mass")):
        thresholds = thresholds_of(*one_finding(*val, number=number), aims=(0.8, 0.9))
        alone = bootstrap_metrics(
            *one_finding(*test, number=number), patient_N, draws=200, seed=1, metrics=at_thresholds(thresholds)
        )
        for point in (point for point in found if point.finding == name):
            assert point.threshold == thresholds[point.specificity_aimed]
            assert point.n_val_negatives == (val[1][:, number] == 0).sum()
            for side in ("sensitivity", "specificity"):
                estimate = getattr(point, side)
                assert estimate.value == alone[point_name(side, point.specificity_aimed)].point
                assert estimate.low < estimate.value < estimate.high


def test_there_are_thresholds_for_two_classes_only() -> None:
    assert thresholds_of(np.full((4, 3), 1 / 3), np.arange(4) % 3, aims=(0.9,)) == {}
    assert thresholds_of(np.full((4, 2), 0.5), np.eye(2, dtype=np.int64)[np.arange(4) % 2], aims=(0.9,)) == {}
