"""Each metric against scikit-learn or a hand-worked value, with weights and without."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from medtrimix.errors import InputError, NumericalError
from medtrimix.metrics.definitions import CALIBRATION_BINS, METRICS, SPECIFICITY, Floats, Ints
from medtrimix.metrics.evaluate import evaluate

EXACT = 1e-12


def predictions(*, seed: int, n: int, classes: int, decimals: int = 3) -> tuple[Floats, Ints]:
    """Informative predictions; rounded, so that there are ties."""
    rng = np.random.default_rng(seed)
    target_N = np.concatenate([np.arange(classes), rng.integers(classes, size=n - classes)])
    raw_NK = np.round(rng.random((n, classes)) + 0.4 * np.eye(classes)[target_N], decimals) + 10.0**-decimals
    return raw_NK / raw_NK.sum(axis=1, keepdims=True), target_N


def once(name: str, probability_NK: Floats, target_N: Ints) -> float:
    return float(METRICS[name](probability_NK, target_N, np.ones((1, len(target_N))))[0])


def reference(name: str, probability_NK: Floats, target_N: Ints) -> float:
    """The same metric by scikit-learn's code."""
    classes = probability_NK.shape[1]
    truth_NK = np.eye(classes)[target_N]
    positives = [1] if classes == 2 else list(range(classes))
    called_N = probability_NK.argmax(axis=1)
    if name == "auc":
        return float(np.mean([sk.roc_auc_score(truth_NK[:, k], probability_NK[:, k]) for k in positives]))
    if name == "average_precision":
        return float(np.mean([sk.average_precision_score(truth_NK[:, k], probability_NK[:, k]) for k in positives]))
    if name == "sensitivity_at_90_specificity":
        found = []
        for k in positives:
            fpr, tpr, _ = sk.roc_curve(truth_NK[:, k], probability_NK[:, k], drop_intermediate=False)
            found.append(tpr[1 - fpr >= SPECIFICITY - 1e-9].max())
        return float(np.mean(found))
    if name == "accuracy":
        return float(sk.accuracy_score(target_N, called_N))
    if name == "balanced_accuracy":
        return float(sk.balanced_accuracy_score(target_N, called_N))
    if name == "brier":
        if classes == 2:
            return float(sk.brier_score_loss(target_N, probability_NK[:, 1]))
        return float(np.mean(np.sum((probability_NK - truth_NK) ** 2, axis=1)))
    assert name == "ece"
    confidence_N = probability_NK.max(axis=1)
    right_N = (called_N == target_N).astype(float)
    accuracy_B, confidence_B = calibration_curve(right_N, confidence_N, n_bins=CALIBRATION_BINS)
    inner = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    count_B = np.bincount(np.searchsorted(inner, confidence_N))
    return float(np.sum(np.abs(accuracy_B - confidence_B) * count_B[count_B > 0]) / len(target_N))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("decimals", [1, 3, 12])
def test_agrees_with_scikit_learn(name: str, classes: int, decimals: int) -> None:
    probability_NK, target_N = predictions(seed=classes + decimals, n=211, classes=classes, decimals=decimals)
    assert once(name, probability_NK, target_N) == pytest.approx(reference(name, probability_NK, target_N), abs=EXACT)


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), n=st.integers(6, 40))
@settings(max_examples=40, deadline=None)
def test_a_weight_is_a_number_of_copies(name: str, seed: int, classes: int, n: int) -> None:
    probability_NK, target_N = predictions(seed=seed, n=n, classes=classes, decimals=1)
    weight_N = np.random.default_rng(seed).integers(0, 4, size=n)
    weight_N[:classes] += 1  # every class stays present
    copied_N = np.repeat(np.arange(n), weight_N)
    weighted = METRICS[name](probability_NK, target_N, weight_N[None].astype(float))[0]
    assert weighted == pytest.approx(reference(name, probability_NK[copied_N], target_N[copied_N]), abs=EXACT)


def test_the_comparison_with_scikit_learn_would_notice_ties_counted_wrongly() -> None:
    probability_NK, target_N = predictions(seed=3, n=211, classes=2, decimals=1)
    jittered_N = probability_NK[:, 1] + 1e-9 * np.random.default_rng(0).random(211)
    broken = sk.roc_auc_score(target_N, jittered_N)
    assert once("auc", probability_NK, target_N) != pytest.approx(broken, abs=EXACT)


def test_hand_worked_values() -> None:
    # Scores of class 1, highest first: .9 (positive), .6 (negative), .6 (positive), .2 (negative).
    score_N, target_N = np.array([0.9, 0.6, 0.6, 0.2]), np.array([1, 0, 1, 0])
    found = evaluate(np.column_stack([1 - score_N, score_N]), target_N)
    # Pairs (positive, negative): (.9, .6) 1, (.9, .2) 1, (.6, .6) one half, (.6, .2) 1: 3.5 of 4.
    assert found["auc"] == 0.875
    # Called positive: .9, .6, .6; the negative among them is the only error.
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == 0.75
    # At .9 recall .5 precision 1; at .6 recall 1 precision 2/3: .5 * 1 + .5 * 2/3.
    assert found["average_precision"] == pytest.approx(5 / 6, abs=EXACT)
    # No false positive allowed (10% of 2 is less than one): only .9 is found.
    assert found["sensitivity_at_90_specificity"] == 0.5
    # (.1^2 + .6^2 + .4^2 + .2^2) / 4
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.16 + 0.04) / 4, abs=EXACT)
    # Confidences .9, .6, .6, .8 in three bins: |.9 - 1| + |1.2 - 1| + |.8 - 1| over 4.
    assert found["ece"] == pytest.approx((0.1 + 0.2 + 0.2) / 4, abs=EXACT)


def test_exactly_ten_percent_of_false_positives_are_allowed() -> None:
    # 10 negatives, one of them above the positive: specificity of the threshold at the positive is exactly .9.
    score_N = np.array([0.95, 0.9, *np.linspace(0.1, 0.5, 9)])
    target_N = np.array([0, 1, *[0] * 9])
    assert once("sensitivity_at_90_specificity", np.column_stack([1 - score_N, score_N]), target_N) == 1.0


def test_half_is_not_called_positive() -> None:
    assert evaluate([[0.5, 0.5], [0.4, 0.6]], [0, 1])["accuracy"] == 1.0


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_does_not_matter(name: str, seed: int, classes: int) -> None:
    probability_NK, target_N = predictions(seed=seed, n=30, classes=classes, decimals=1)
    order_N = np.random.default_rng(seed).permutation(30)
    assert once(name, probability_NK[order_N], target_N[order_N]) == pytest.approx(
        once(name, probability_NK, target_N), abs=EXACT
    )


@pytest.mark.parametrize("name", ["auc", "average_precision", "sensitivity_at_90_specificity", "balanced_accuracy"])
@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_weighting_without_a_class_is_undefined(name: str, absent: int) -> None:
    probability_NK, target_N = predictions(seed=1, n=30, classes=3)
    weight_RN = np.stack([np.ones(30), (target_N != absent).astype(float)])
    whole, lacking = METRICS[name](probability_NK, target_N, weight_RN)
    assert np.isfinite(whole)
    assert np.isnan(lacking)


@pytest.mark.parametrize(
    ("probability_NK", "error"),
    [
        ([[np.nan, 0.5], [0.5, 0.5]], NumericalError),
        ([[np.inf, 0.0], [0.5, 0.5]], NumericalError),
        ([[0.7, 0.7], [0.5, 0.5]], NumericalError),
        ([[1.2, -0.2], [0.5, 0.5]], NumericalError),
    ],
)
def test_what_is_no_probability_is_refused(probability_NK: list[list[float]], error: type[Exception]) -> None:
    with pytest.raises(error):
        evaluate(probability_NK, [0, 1])


def test_a_set_without_a_class_is_refused_with_the_numbers() -> None:
    with pytest.raises(InputError, match="2, 0 samples"):
        evaluate([[0.5, 0.5], [0.4, 0.6]], [0, 0])
