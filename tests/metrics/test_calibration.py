"""Temperature scaling and reliability bins: recovered truths, restatements, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from medtrimix.metrics.calibration import RELIABILITY_BINS, calibrated, fit_temperature, reliability
from medtrimix.metrics.evaluate import evaluate


def honest(*, n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that mean what they say, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    logit_NK = rng.normal(scale=1.5, size=(n, classes))
    probability_NK = np.exp(logit_NK) / np.exp(logit_NK).sum(axis=1, keepdims=True)
    return probability_NK, (probability_NK.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_distortion_is_found_and_undone(classes: int, temperature: float) -> None:
    probability_NK, target_N = honest(n=6000, classes=classes)
    distorted_NK = calibrated(probability_NK, temperature=temperature)
    found = fit_temperature(distorted_NK, target_N, np.arange(6000))
    assert found.value == pytest.approx(1 / temperature, rel=0.08)
    assert (found.n, found.refusal) == (6000, "")
    undone_NK = calibrated(distorted_NK, temperature=found.value)
    assert undone_NK == pytest.approx(probability_NK, abs=0.03)


def test_scaling_is_that_of_logits_and_keeps_the_called_class() -> None:
    rng = np.random.default_rng(1)
    logit_NK = rng.normal(size=(50, 3)) * 4

    def softmax(value_NK: np.ndarray) -> np.ndarray:
        return np.exp(value_NK) / np.exp(value_NK).sum(axis=1, keepdims=True)

    found_NK = calibrated(softmax(logit_NK), temperature=2.5)
    assert found_NK == pytest.approx(softmax(logit_NK / 2.5), abs=1e-12)
    assert calibrated(found_NK, temperature=1.0) == pytest.approx(found_NK, abs=1e-12)
    np.testing.assert_array_equal(found_NK.argmax(axis=1), logit_NK.argmax(axis=1))
    certain_NK = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert np.isfinite(calibrated(certain_NK, temperature=0.1)).all()


@given(seed=st.integers(0, 5000))
@settings(max_examples=20, deadline=None)
def test_the_fit_is_no_worse_than_any_temperature_nearby_and_needs_no_order(seed: int) -> None:
    probability_NK, target_N = honest(n=120, classes=2, seed=seed)
    patient_N = np.arange(120)
    found = fit_temperature(probability_NK, target_N, patient_N).value
    assert found is not None
    best = log_loss(target_N, calibrated(probability_NK, temperature=found))
    for factor in (0.5, 0.9, 1.0 / found, 1.1, 2.0):
        assert best <= log_loss(target_N, calibrated(probability_NK, temperature=found * factor)) + 1e-9
    order_N = np.random.default_rng(seed).permutation(120)
    assert fit_temperature(probability_NK[order_N], target_N[order_N], patient_N).value == pytest.approx(
        found, rel=1e-3
    )


def test_a_handful_is_refused_with_the_numbers() -> None:
    probability_NK, target_N = honest(n=40, classes=2)
    few = fit_temperature(probability_NK, target_N, np.arange(40))
    assert few.value is None
    assert "val has 40 images" in few.refusal
    probability_NK, target_N = honest(n=400, classes=2)
    same_people = fit_temperature(probability_NK, target_N, np.arange(400) % 9)
    assert same_people.value is None
    assert "9 patients of its rarest class" in same_people.refusal


def test_overconfidence_costs_calibration_and_not_ranking() -> None:
    probability_NK, target_N = honest(n=3000, classes=2)
    sure_NK = calibrated(probability_NK, temperature=0.3)
    before, after = evaluate(sure_NK, target_N), evaluate(probability_NK, target_N)
    assert before["auc"] == pytest.approx(after["auc"], abs=1e-6)
    assert before["accuracy"] == after["accuracy"]
    assert before["ece"] > 3 * after["ece"]
    assert before["brier"] > after["brier"]


def test_bins_are_scikit_learns() -> None:
    probability_NK, target_N = honest(n=500, classes=2)
    bins = reliability(probability_NK, target_N, np.arange(500))
    true_B, predicted_B = calibration_curve(target_N, probability_NK[:, 1], n_bins=RELIABILITY_BINS)
    assert [each.observed for each in bins] == pytest.approx(true_B, abs=1e-12)
    assert [each.predicted for each in bins] == pytest.approx(predicted_B, abs=1e-12)
    assert sum(each.n for each in bins) == 500
    for each in bins:
        assert each.low - 1e-12 <= each.predicted <= each.high + 1e-12
        assert 0 <= each.observed_low <= each.observed <= each.observed_high <= 1
        assert each.n_patients == each.n


def test_more_classes_are_binned_by_confidence() -> None:
    probability_NK, target_N = honest(n=500, classes=3)
    bins = reliability(probability_NK, target_N, np.arange(500))
    assert min(each.low for each in bins) >= 0.3 - 1e-12  # the largest of three is above a third
    right = sum(each.observed * each.n for each in bins) / 500
    assert right == pytest.approx(np.mean(probability_NK.argmax(axis=1) == target_N))


def test_images_of_one_patient_widen_a_bins_interval() -> None:
    probability_NK, target_N = honest(n=300, classes=2)
    copies_NK, copies_N = np.repeat(probability_NK, 5, axis=0), np.repeat(target_N, 5)
    once = reliability(probability_NK, target_N, np.arange(300))
    clustered = reliability(copies_NK, copies_N, np.repeat(np.arange(300), 5))
    pretended = reliability(copies_NK, copies_N, np.arange(1500))
    for single, same, narrow in zip(once, clustered, pretended, strict=True):
        assert (same.observed_high - same.observed_low) == pytest.approx(
            single.observed_high - single.observed_low, rel=0.06
        )
        assert narrow.observed_high - narrow.observed_low < same.observed_high - same.observed_low


def test_a_single_patient_in_a_bin_is_shown_as_next_to_nothing() -> None:
    (only,) = reliability(np.array([[0.05, 0.95]] * 4), np.array([1, 1, 1, 1]), np.array(["a"] * 4))
    assert (only.n, only.n_patients, only.observed) == (4, 1, 1.0)
    assert only.observed_low < 0.25
