"""Score intervals: closed forms, ends, the model of the AUC's variance by simulation, hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from medtrimix.metrics.bootstrap import bootstrap_metrics
from medtrimix.metrics.definitions import METRICS
from medtrimix.metrics.interval import (
    ERRORS,
    auc_variance,
    metric_estimate,
    patients_of_classes,
    share_interval,
)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson 1927 in closed form."""
    z, p = norm.ppf(0.975), successes / n
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)


@given(n=st.integers(1, 500), data=st.data())
def test_of_a_plain_share_it_is_wilsons_interval(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    p = successes / n
    assert share_interval(p, p * (1 - p) / n, fewest=n) == pytest.approx(wilson(successes, n), abs=1e-9)


def test_a_published_wilson_interval() -> None:
    """Newcombe, Stat. Med. 1998, table I, method 3 (score): 81/263, 15/148, 0/20, 1/29."""
    for successes, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)):
        p = successes / n
        assert share_interval(p, p * (1 - p) / n, fewest=n) == pytest.approx((low, high), abs=6e-5)
    assert share_interval(0.0, 0.0, fewest=20) == pytest.approx((0.0, 0.1611), abs=6e-5)


def test_the_models_variance_is_that_of_simulated_aucs() -> None:
    rng = np.random.default_rng(0)
    for auc, m, n in ((0.8, 20, 60), (0.95, 30, 30), (0.98, 10, 190)):
        positive_TM = rng.normal(np.sqrt(2) * norm.ppf(auc), 1, size=(4000, m))
        negative_TN = np.sort(rng.normal(size=(4000, n)), axis=1)
        found = [
            np.searchsorted(row_N, row_M).mean() / n for row_N, row_M in zip(negative_TN, positive_TM, strict=True)
        ]
        assert np.mean(found) == pytest.approx(auc, abs=0.003)
        assert np.var(found) == pytest.approx(auc_variance(auc, (m, n)), rel=0.12)
    # Without separation all orders are equally likely: (m + n + 1) / (12 m n), as for Wilcoxon's rank sum.
    assert auc_variance(0.5, (7, 12)) == pytest.approx(20 / (12 * 7 * 12), rel=1e-12)


def cell(*, seed: int, n: int, positives: int, gap: float = 1.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target_N = (np.arange(n) < positives).astype(int)
    score_N = 1 / (1 + np.exp(-(gap * target_N + rng.normal(size=n))))
    return np.column_stack([1 - score_N, score_N]), target_N, rng.integers(n // 2, size=n)


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 5000), positives=st.integers(2, 20), gap=st.floats(0, 6))
@settings(max_examples=15, deadline=None)
def test_every_interval_contains_its_point_and_stays_in_range(name: str, seed: int, positives: int, gap: float) -> None:
    probability_NK, target_N, patient_N = cell(seed=seed, n=40, positives=positives, gap=gap)
    draws = bootstrap_metrics(probability_NK, target_N, patient_N, draws=100, seed=0, metrics={name: METRICS[name]})[
        name
    ]
    patients_K = patients_of_classes(target_N, patient_N, classes=2)
    found = metric_estimate(
        name, draws.value_R, draws.point, n=draws.n, patients_K=patients_K, n_patients=draws.n_patients
    )
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high or name in ERRORS


@given(seed=st.integers(0, 5000))
@settings(max_examples=15, deadline=None)
def test_one_image_a_patient_is_no_cluster_whatever_patients_are_called(seed: int) -> None:
    probability_NK, target_N, _ = cell(seed=seed, n=60, positives=20)
    found = []
    for patient_N in (np.arange(60), np.array([f"p{place:03}" for place in range(60)])):
        draws = bootstrap_metrics(probability_NK, target_N, patient_N, draws=100, seed=0)["auc"]
        assert patients_of_classes(target_N, patient_N, classes=2) == (40, 20)
        found.append(metric_estimate("auc", draws.value_R, draws.point, n=60, patients_K=(40, 20), n_patients=60))
    assert found[0] == found[1]


def test_a_perfect_test_set_is_not_certain() -> None:
    ones_R = np.ones(200)
    few, many = (
        metric_estimate("auc", ones_R, 1.0, n=500, patients_K=(n, m), n_patients=500).low
        for n, m in ((190, 10), (250, 250))
    )
    # The lowest AUC a with 1 - a = 1.96 sd(a).
    assert 1 - few == pytest.approx(1.96 * auc_variance(few, (190, 10)) ** 0.5, rel=1e-3)
    assert 0.85 < few < many < 1
    everything_right = metric_estimate("accuracy", ones_R, 1.0, n=100, patients_K=(90, 10), n_patients=100)
    assert (everything_right.low, everything_right.high) == pytest.approx(wilson(100, 100))


def test_large_sets_have_the_error_of_their_draws() -> None:
    value_R = 0.9 + 0.004 * np.random.default_rng(0).normal(size=4000)
    found = metric_estimate("auc", value_R, 0.9, n=9000, patients_K=(4500, 4500), n_patients=9000)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(np.std(value_R), rel=0.04)


def test_the_spread_of_pretrainings_is_added_and_not_drawn_to_the_model() -> None:
    value_R = 0.9 + 0.03 * np.random.default_rng(0).normal(size=4000)
    narrow, wide = (
        metric_estimate("auc", value_R, 0.9, n=60, patients_K=(40, 12), n_patients=52, repetition_P=each)
        for each in ((), (0.86, 0.88, 0.9, 0.92, 0.94))
    )
    # Standard error of the five .01414; t with 4 degrees of freedom: 2.78; the patients' part stays.
    added = 2.78 * 0.01414
    assert (wide.high - wide.low) == pytest.approx(np.hypot(narrow.high - narrow.low, 2 * added), rel=0.12)


def test_small_sets_with_high_auc_are_covered_where_percentiles_are_not() -> None:
    """20 positive and 180 negative patients, AUC .98; 300 studies, binomial sd of 95% is 1.3%."""
    rng = np.random.default_rng(1)
    gap = np.sqrt(2) * norm.ppf(0.98)
    target_N = (np.arange(200) < 20).astype(int)
    covered, percentiles = 0, 0
    for trial in range(300):
        score_N = norm.cdf(gap * target_N + rng.normal(size=200) - gap / 2)
        draws = bootstrap_metrics(
            np.column_stack([1 - score_N, score_N]),
            target_N,
            np.arange(200),
            draws=300,
            seed=trial,
            metrics={"auc": METRICS["auc"]},
        )["auc"]
        found = metric_estimate("auc", draws.value_R, draws.point, n=200, patients_K=(180, 20), n_patients=200)
        low, high = np.nanpercentile(draws.value_R, [2.5, 97.5])
        covered += found.low <= 0.98 <= found.high
        percentiles += low <= 0.98 <= high
    assert 0.91 <= covered / 300 <= 0.99
    assert percentiles / 300 < 0.9
