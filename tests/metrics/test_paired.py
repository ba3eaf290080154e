"""Differences: what pairing takes away, what the stretch adds, and that p-value and interval agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from medtrimix.metrics.bootstrap import bootstrap_metrics, estimate
from medtrimix.metrics.definitions import METRICS
from medtrimix.metrics.interval import metric_estimate, patients_of_classes
from medtrimix.metrics.paired import Paired, Side, paired


def two(*, seed: int, n: int, positives: int, aucs: tuple[float, float], draws: int = 300) -> tuple[Paired, list[Side]]:
    """Two correlated models on single images; the first minus the second."""
    rng = np.random.default_rng(seed)
    target_N = (np.arange(n) < positives).astype(int)
    common_N = rng.normal(size=n)
    sides = []
    for auc in aucs:
        score_N = ndtr(np.sqrt(2) * ndtri(auc) * target_N + np.sqrt(0.5) * (common_N + rng.normal(size=n)))
        found = bootstrap_metrics(
            np.column_stack([1 - score_N, score_N]),
            target_N,
            np.arange(n),
            draws=draws,
            seed=seed,
            metrics={"auc": METRICS["auc"]},
        )["auc"]
        sides.append(Side(found.point, found.value_R))
    patients_K = patients_of_classes(target_N, np.arange(n), classes=2)
    return paired("auc", *sides, n=n, patients_K=patients_K, n_patients=n), sides


@given(seed=st.integers(0, 5000), positives=st.integers(5, 30), first=st.floats(0.6, 0.97))
@settings(max_examples=25, deadline=None)
def test_interval_holds_its_point_and_agrees_with_p(seed: int, positives: int, first: float) -> None:
    found, sides = two(seed=seed, n=60, positives=positives, aucs=(first, 0.8))
    assert found.estimate.value == pytest.approx(sides[0].value - sides[1].value)
    assert found.estimate.low <= found.estimate.value <= found.estimate.high
    excludes_zero = not found.estimate.low <= 0 <= found.estimate.high
    assert excludes_zero == (found.p_value < 0.05)
    swapped = paired("auc", *reversed(sides), n=60, patients_K=(60 - positives, positives), n_patients=60)
    assert (swapped.estimate.low, swapped.p_value) == pytest.approx((-found.estimate.high, found.p_value))


def test_large_sets_are_hardly_stretched_small_ones_with_high_aucs_are() -> None:
    for n, positives, aucs, least, most in ((2000, 1000, (0.85, 0.8), 0.93, 1.07), (200, 20, (0.98, 0.97), 1.05, 1.8)):
        found, sides = two(seed=1, n=n, positives=positives, aucs=aucs)
        plain = estimate(sides[0].value_R - sides[1].value_R, sides[0].value - sides[1].value, n=n, n_patients=n)
        ratio = (found.estimate.high - found.estimate.low) / (plain.high - plain.low)
        assert least <= ratio <= most


def test_a_model_and_itself() -> None:
    _, (side, _) = two(seed=2, n=60, positives=20, aucs=(0.95, 0.9))
    same = paired("auc", side, side, n=60, patients_K=(40, 20), n_patients=60)
    assert (same.estimate.value, same.estimate.low, same.estimate.high, same.p_value) == (0, 0, 0, 1)
    never = np.full(50, np.nan)
    undefined = paired("auc", Side(1.0, never), Side(0.9, never), n=9, patients_K=(5, 4), n_patients=9)
    assert np.isnan([undefined.estimate.low, undefined.p_value]).all()
    assert undefined.estimate.undefined_draws == 50


def test_draws_without_spread_are_no_certainty() -> None:
    """Two perfect models, and a class of a single patient: each interval is wide, so that of the difference is."""
    perfect, counts = Side(1.0, np.ones(50)), {"n": 10, "patients_K": (5, 5), "n_patients": 10}
    own = metric_estimate("auc", perfect.value_R, 1.0, **counts)
    both = paired("auc", perfect, perfect, **counts)
    assert (both.estimate.low, both.estimate.high) == pytest.approx((own.low - 1, 1 - own.low))
    assert own.low < 0.8
    assert both.p_value == 1
    # Rounding is no spread either.
    noise_R = 1e-17 * np.arange(50)
    one = {"n": 6, "patients_K": (1, 1), "n_patients": 2}
    gap = paired("auc", Side(0.75, 0.75 + noise_R), Side(0.5, 0.5 - noise_R), **one).estimate
    assert gap.value == 0.25
    assert gap.low < -0.3
    assert gap.high > 0.3
    # Where both scatter alike, they are known to be equal.
    value_R = np.random.default_rng(0).normal(0.8, 0.02, size=50)
    same = paired("auc", Side(0.8, value_R), Side(0.8, value_R), **counts)
    assert (same.estimate.low, same.estimate.high, same.p_value) == (0, 0, 1)


def test_errors_are_not_stretched() -> None:
    value_R = 0.1 + 0.01 * np.random.default_rng(0).normal(size=500)
    other_R = 0.12 + 0.01 * np.random.default_rng(1).normal(size=500)
    found = paired("brier", Side(0.1, value_R), Side(0.12, other_R), n=50, patients_K=(25, 25), n_patients=50)
    plain = estimate(value_R - other_R, -0.02, n=50, n_patients=50)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((plain.low, plain.high), abs=0.003)
    half = 2.00958 * np.std(value_R - other_R, ddof=1)  # Student's t with 49 degrees of freedom
    assert (found.estimate.low, found.estimate.high) == pytest.approx((-0.02 - half, -0.02 + half), rel=1e-5)


def test_the_spread_of_pretrainings_widens_the_difference() -> None:
    _, sides = two(seed=3, n=200, positives=100, aucs=(0.9, 0.8))
    alone, spread = (
        paired("auc", *sides, n=200, patients_K=(100, 100), n_patients=200, repetition_P=repetitions)
        for repetitions in ((), (0.02, 0.06, 0.1, 0.14, 0.18))
    )
    assert spread.estimate.high - spread.estimate.low > 1.5 * (alone.estimate.high - alone.estimate.low)
    assert spread.p_value > alone.p_value
