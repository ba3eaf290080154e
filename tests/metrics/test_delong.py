"""DeLong's variance and test: two published examples, literal restatements, hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.published_roc import haemorrhage, ovarian
from sklearn.metrics import roc_auc_score

from medtrimix.errors import InputError
from medtrimix.metrics.delong import auc_influence, delong_test, delong_variance


@pytest.mark.parametrize(
    ("a", "b", "z", "p_value", "low", "high"),
    [
        # pROC, tests/testthat/test-roc.test.R: roc.test(r.wfns, r.s100b) and so on; conf.int to the same digits.
        ("wfns", "s100b", 2.20898359144091, 0.0271757822291882, 0.0104061769564846, 0.174214419249478),
        ("wfns", "ndka", 2.79777591868904, 0.00514557970691098, 0.0634011709339876, 0.3600405634833566),
        ("ndka", "s100b", -1.39077002573558, 0.164295175223054, -0.2876917446341914, 0.0488706064228094),
    ],
)
def test_agrees_with_proc_on_its_example(a: str, b: str, z: float, p_value: float, low: float, high: float) -> None:
    data = haemorrhage()
    found = delong_test(data[a], data[b], data["poor"])
    assert found.z == pytest.approx(z, rel=1e-12)
    assert found.p_value == pytest.approx(p_value, rel=1e-12)
    half = 1.959963984540054 * found.standard_error
    assert (found.difference - half, found.difference + half) == pytest.approx((low, high), rel=1e-12)


def test_agrees_with_sas_on_the_papers_own_example() -> None:
    """SAS/STAT User's Guide, tables "ROC Association Statistics" and "ROC Contrast Estimation"; four digits printed."""
    data = ovarian()
    for name, auc, error in (("albumin", 0.7366, 0.0927), ("kg", 0.7258, 0.1028), ("protein", 0.6478, 0.1000)):
        found = auc_influence(data[name], data["positive"])
        assert found.auc == pytest.approx(auc, abs=5e-5)
        assert np.sqrt(delong_variance(found.influence_N, data["positive"])) == pytest.approx(error, abs=5e-5)
    for name, difference, error, chi_square, p_value in (
        ("albumin", 0.0108, 0.0953, 0.0127, 0.9102),
        ("protein", -0.0780, 0.1046, 0.5554, 0.4561),
    ):
        test = delong_test(data[name], data["kg"], data["positive"])
        assert (test.difference, test.standard_error) == pytest.approx((difference, error), abs=5.1e-5)
        assert (test.z**2, test.p_value) == pytest.approx((chi_square, p_value), abs=5.1e-5)


def test_the_comparison_would_notice_a_missing_factor() -> None:
    data = haemorrhage()
    influence_N = auc_influence(data["wfns"], data["poor"]).influence_N
    biased = np.square(influence_N).sum()
    assert delong_variance(influence_N, data["poor"]) / biased == pytest.approx(1.02, abs=0.01)


def clustered(*, seed: int, images: int = 60, patients: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    patient_N = np.append(rng.integers(patients, size=images - 4), [0, 1, 2, 3])
    positive_N = np.append(rng.random(images - 4) < 0.4, [True, True, False, False])
    score_N = np.round(positive_N + rng.normal(size=patients)[patient_N] + rng.normal(size=images), 1)
    return score_N, positive_N, patient_N


def literal_variance(score_N: np.ndarray, positive_N: np.ndarray, patient_N: np.ndarray) -> float:
    """Obuchowski 1997, section 2, pair by pair and patient by patient."""
    m, n = positive_N.sum(), (~positive_N).sum()

    def psi(x: float, y: float) -> float:
        return 1.0 if x > y else 0.5 if x == y else 0.0

    above = {i: np.mean([psi(score_N[i], y) for y in score_N[~positive_N]]) for i in np.flatnonzero(positive_N)}
    below = {j: np.mean([psi(x, score_N[j]) for x in score_N[positive_N]]) for j in np.flatnonzero(~positive_N)}
    auc = np.mean(list(above.values()))
    patients = np.unique(patient_N)
    x_sum = {p: sum(v - auc for i, v in above.items() if patient_N[i] == p) for p in patients}
    y_sum = {p: sum(v - auc for j, v in below.items() if patient_N[j] == p) for p in patients}
    i10 = len({patient_N[i] for i in above})
    i01 = len({patient_N[j] for j in below})
    s10 = i10 / ((i10 - 1) * m) * sum(v**2 for v in x_sum.values())
    s01 = i01 / ((i01 - 1) * n) * sum(v**2 for v in y_sum.values())
    s11 = len(patients) / (len(patients) - 1) * sum(x_sum[p] * y_sum[p] for p in patients)
    return float(s10 / m + s01 / n + 2 * s11 / (m * n))


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_obuchowskis(seed: int) -> None:
    score_N, positive_N, patient_N = clustered(seed=seed)
    found = auc_influence(score_N, positive_N)
    assert found.auc == pytest.approx(roc_auc_score(positive_N, score_N), abs=1e-12)
    variance = delong_variance(found.influence_N, positive_N, patient_N)
    assert variance == pytest.approx(literal_variance(score_N, positive_N, patient_N), rel=1e-10)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_one_image_a_patient_is_no_cluster_and_order_does_not_matter(seed: int) -> None:
    score_N, positive_N, patient_N = clustered(seed=seed)
    influence_N = auc_influence(score_N, positive_N).influence_N
    alone = delong_variance(influence_N, positive_N)
    assert delong_variance(influence_N, positive_N, np.random.default_rng(seed).permutation(60)) == pytest.approx(alone)
    order_N = np.random.default_rng(seed).permutation(60)
    shuffled_N = auc_influence(score_N[order_N], positive_N[order_N]).influence_N
    assert delong_variance(shuffled_N, positive_N[order_N], patient_N[order_N]) == pytest.approx(
        delong_variance(influence_N, positive_N, patient_N), abs=1e-14
    )


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_test_has_no_side_and_sees_ranks_alone(seed: int) -> None:
    score_N, positive_N, patient_N = clustered(seed=seed)
    other_N = clustered(seed=seed + 1)[0]
    there, back = (
        delong_test(*pair, positive_N, patient_N) for pair in ((score_N, other_N), (np.exp(other_N), score_N))
    )
    assert there.z == pytest.approx(-back.z, abs=1e-9)
    assert there.p_value == pytest.approx(back.p_value, abs=1e-9)
    assert 0 <= there.p_value <= 1
    same = delong_test(score_N, 3 * score_N + 1, positive_N, patient_N)
    assert (same.difference, same.z, same.p_value) == (0, 0, 1)


def test_copies_of_images_are_no_evidence() -> None:
    score_N, positive_N, _ = clustered(seed=3)
    once = delong_variance(auc_influence(score_N, positive_N).influence_N, positive_N)
    copies_N, who_N = np.repeat(np.arange(60), 10), np.repeat(positive_N, 10)
    influence_N = auc_influence(score_N[copies_N], who_N).influence_N
    assert delong_variance(influence_N, who_N, copies_N) == pytest.approx(once, rel=1e-9)
    assert delong_variance(influence_N, who_N) < once / 5


def test_p_values_are_uniform_where_nothing_differs() -> None:
    """Two noisy readings of the same truth, 500 studies of 100 patients: 5% are below .05, sd .97%."""
    rng = np.random.default_rng(0)
    positive_N = np.arange(100) < 40
    found = [
        delong_test(
            positive_N + (shared := rng.normal(size=100)) + rng.normal(size=100),
            positive_N + shared + rng.normal(size=100),
            positive_N,
        ).p_value
        for _ in range(500)
    ]
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08
    assert 0.4 <= np.mean(np.array(found) < 0.5) <= 0.6


def test_what_cannot_be_tested_says_so() -> None:
    with pytest.raises(InputError, match="3 positive and 0 negative"):
        auc_influence([1.0, 2.0, 3.0], [True, True, True])
    # One positive patient: how positive patients scatter, nobody knows.
    single = delong_test([3.0, 1.0, 2.0, 0.5], [1.0, 3.0, 2.0, 0.5], [True, False, False, False])
    assert np.isnan(single.p_value)
    # All pairs right against all pairs wrong: no spread, so no chance to compare with.
    extreme = delong_test([3.0, 4.0, 1.0, 0.5], [1.0, 0.5, 3.0, 4.0], [True, True, False, False])
    assert (extreme.difference, extreme.standard_error) == (1.0, 0.0)
    assert np.isnan(extreme.p_value)
