"""The bootstrap over patients: what it draws, what it pairs, and that its intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from medtrimix.metrics import bootstrap
from medtrimix.metrics.bootstrap import bootstrap_metrics, estimate, patient_weights
from medtrimix.metrics.definitions import METRICS, Floats, Ints

Cohort = tuple[Floats, Ints, np.ndarray]


def cohort(*, seed: int, patients: int = 40, images: int = 100) -> Cohort:
    """Predictions of patients with several images each, and both classes."""
    rng = np.random.default_rng(seed)
    patient_N = np.array([f"p{number:03}" for number in rng.integers(patients, size=images)])
    target_N = np.append(rng.integers(2, size=images - 2), [0, 1])
    score_N = np.clip(rng.normal(0.4 + 0.2 * target_N, 0.2), 0, 1).round(2)
    return np.column_stack([1 - score_N, score_N]), target_N, patient_N


def all_weights(patient_N: np.ndarray, *, draws: int, seed: int) -> Floats:
    return np.concatenate(list(patient_weights(patient_N, draws=draws, seed=seed)))


def test_agrees_with_a_loop_over_copied_rows() -> None:
    probability_NK, target_N, patient_N = cohort(seed=0)
    draws = bootstrap_metrics(probability_NK, target_N, patient_N, draws=50, seed=7)
    rows_of = {patient: np.flatnonzero(patient_N == patient) for patient in np.unique(patient_N)}
    for r, weight_N in enumerate(all_weights(patient_N, draws=50, seed=7)):
        times = {patient: int(weight_N[rows[0]]) for patient, rows in rows_of.items()}
        drawn_N = np.concatenate([np.tile(rows, times[patient]) for patient, rows in rows_of.items()])
        assert draws["auc"].value_R[r] == pytest.approx(
            sk.roc_auc_score(target_N[drawn_N], probability_NK[drawn_N, 1]), abs=1e-12
        )
        called_N = probability_NK[drawn_N, 1] > 0.5
        assert draws["accuracy"].value_R[r] == pytest.approx(np.mean(called_N == target_N[drawn_N]), abs=1e-12)


@given(seed=st.integers(0, 1000), patients=st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_a_patient_moves_as_one_and_as_many_are_drawn_as_there_are(seed: int, patients: int) -> None:
    _, _, patient_N = cohort(seed=seed, patients=patients, images=60)
    weight_RN = all_weights(patient_N, draws=20, seed=seed)
    _, first_P, code_N = np.unique(patient_N, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(weight_RN, weight_RN[:, first_P][:, code_N])
    np.testing.assert_array_equal(weight_RN[:, first_P].sum(axis=1), len(first_P))
    assert (weight_RN >= 0).all()


def test_patients_are_drawn_evenly() -> None:
    # The count of one patient is binomial(P, 1/P): mean 1, variance 1 - 1/P.
    weight_RN = all_weights(np.arange(50).astype(str), draws=4000, seed=0)
    assert weight_RN.mean(axis=0) == pytest.approx(np.ones(50), abs=5 / np.sqrt(4000))
    assert weight_RN.var() == pytest.approx(1 - 1 / 50, rel=0.02)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    probability_NK, target_N, patient_N = cohort(seed=seed)
    order_N = np.random.default_rng(seed).permutation(len(target_N))
    straight = bootstrap_metrics(probability_NK, target_N, patient_N, draws=20, seed=1)
    shuffled = bootstrap_metrics(probability_NK[order_N], target_N[order_N], patient_N[order_N], draws=20, seed=1)
    for name in METRICS:
        np.testing.assert_allclose(shuffled[name].value_R, straight[name].value_R, atol=1e-12)
        assert shuffled[name].point == pytest.approx(straight[name].point, abs=1e-12)


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    probability_NK, target_N, patient_N = cohort(seed=2)
    whole = bootstrap_metrics(probability_NK, target_N, patient_N, draws=37, seed=3)
    monkeypatch.setattr(bootstrap, "_CHUNK_VALUES", 5 * len(target_N))
    pieces = bootstrap_metrics(probability_NK, target_N, patient_N, draws=37, seed=3)
    for name in METRICS:  # matrix products of other shapes differ in the last bit
        np.testing.assert_allclose(pieces[name].value_R, whole[name].value_R, rtol=0, atol=1e-14)


def test_more_draws_begin_with_the_same_ones_and_another_seed_gives_others() -> None:
    _, _, patient_N = cohort(seed=2)
    few, many = (all_weights(patient_N, draws=draws, seed=3) for draws in (10, 30))
    np.testing.assert_array_equal(few, many[:10])
    assert (all_weights(patient_N, draws=10, seed=4) != few).any()


def test_two_cells_of_one_test_set_meet_the_same_draws() -> None:
    """A model that is everywhere the same has no difference to itself, on every draw: that is what pairing means."""
    probability_NK, target_N, patient_N = cohort(seed=4)
    better_NK = probability_NK.copy()
    better_NK[target_N == 1] = [0.0, 1.0]
    a, b, same = (
        bootstrap_metrics(p, target_N, patient_N, draws=200, seed=5)["auc"]
        for p in (better_NK, probability_NK, probability_NK)
    )
    nothing = estimate(b.value_R - same.value_R, b.point - same.point, n=b.n, n_patients=b.n_patients)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
    gain = estimate(a.value_R - b.value_R, a.point - b.point, n=b.n, n_patients=b.n_patients)
    assert gain.value == pytest.approx(a.point - b.point)
    assert 0 < gain.low <= gain.value <= gain.high
    # Companion: with draws of another seed the difference of a model to itself is anything but zero.
    other = bootstrap_metrics(probability_NK, target_N, patient_N, draws=200, seed=6)["auc"]
    assert np.abs(b.value_R - other.value_R).max() > 0.01


def test_a_draw_without_a_class_keeps_its_place_and_is_counted() -> None:
    target_N = np.array([1, 0, 0, 0])
    probability_NK = np.array([[0.4, 0.6], [0.6, 0.4], [0.3, 0.7], [0.8, 0.2]])
    draws = bootstrap_metrics(probability_NK, target_N, np.array(["a", "b", "c", "d"]), draws=400, seed=0)["auc"]
    found = estimate(draws.value_R, draws.point, n=draws.n, n_patients=draws.n_patients)
    lacking_positive = (3 / 4) ** 4
    assert found.undefined_draws == np.isnan(draws.value_R).sum()
    assert found.undefined_draws / 400 == pytest.approx(lacking_positive + (1 / 4) ** 4, abs=0.1)
    assert found.low <= found.value <= found.high


def test_estimate_is_the_percentile_interval() -> None:
    found = estimate(np.arange(1001.0), 500.0, n=10, n_patients=5)
    assert found.value == 500
    assert (found.low, found.high) == pytest.approx((25, 975))
    assert (found.n, found.n_patients, found.undefined_draws) == (10, 5, 0)


def test_an_interval_contains_its_point_even_where_draws_are_biased() -> None:
    """Every draw of a calibration error may lie above the point; the percentiles alone would leave it out."""
    value_R = 0.08 + 0.01 * np.random.default_rng(0).normal(size=1000)
    found = estimate(value_R, 0.03, n=10, n_patients=5)
    assert found.low < 0.03 < found.high
    assert found.high - found.low == pytest.approx(np.diff(np.percentile(value_R, [2.5, 97.5]))[0])
    nothing = estimate(np.full(5, np.nan), 0.5, n=1, n_patients=1)
    assert np.isnan([nothing.low, nothing.high]).all()
    assert nothing.undefined_draws == 5


def test_repeated_images_of_patients_widen_the_interval() -> None:
    """Ten copies of each image hold no more evidence than one; only a bootstrap over patients knows that."""
    probability_NK, target_N, _ = cohort(seed=8, images=60)
    copies_NK, copies_N = np.repeat(probability_NK, 10, axis=0), np.repeat(target_N, 10)
    by_patient, by_image = (
        np.nanstd(bootstrap_metrics(copies_NK, copies_N, patient_N, draws=400, seed=0)["auc"].value_R)
        for patient_N in (np.repeat(np.arange(60), 10), np.arange(600))
    )
    single = np.nanstd(bootstrap_metrics(probability_NK, target_N, np.arange(60), draws=400, seed=0)["auc"].value_R)
    assert by_patient == pytest.approx(single, rel=1e-9)
    assert by_image < by_patient / 2


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """AUC of N(1, 1) against N(0, 1) is Phi(1 / sqrt 2) = .7602; patients share an effect of variance one half."""
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(150):
        target_P = np.arange(60) % 2
        shared_P = rng.normal(0, np.sqrt(0.5), 60)
        patient_N = np.repeat(np.arange(60), 3)
        score_N = target_P[patient_N] + shared_P[patient_N] + rng.normal(0, np.sqrt(0.5), 180)
        positive_N = 1 / (1 + np.exp(-score_N))
        draws = bootstrap_metrics(
            np.column_stack([1 - positive_N, positive_N]),
            target_P[patient_N],
            patient_N,
            draws=200,
            seed=trial,
            metrics={"auc": METRICS["auc"]},
        )["auc"]
        found = estimate(draws.value_R, draws.point, n=draws.n, n_patients=draws.n_patients)
        covered += found.low <= 0.7602 <= found.high
    # 95% of 150 is 142.5; binomial sd 2.7, and 60 patients make the percentile interval a little short.
    assert 130 <= covered <= 149
