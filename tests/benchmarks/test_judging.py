"""The statistics of the method benchmarks: known values, and intervals that cover what they should."""

from __future__ import annotations

import numpy as np
import pytest
from judging import Judged, auc_influence, contrast, difference
from sklearn.metrics import roc_auc_score


def literal_components(score_N: np.ndarray, positive_N: np.ndarray) -> tuple[float, float]:
    """AUC and its variance by DeLong's formulas, pair by pair (Biometrics 1988, equations 4 to 6)."""
    positives, negatives = score_N[positive_N], score_N[~positive_N]
    kernel = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in negatives] for x in positives])
    auc = kernel.mean()
    s10 = kernel.mean(axis=1).var(ddof=1) / len(positives)
    s01 = kernel.mean(axis=0).var(ddof=1) / len(negatives)
    return auc, s10 + s01


def test_influences_are_delongs_components() -> None:
    rng = np.random.default_rng(1)
    positive_N = rng.random(200) < 0.4
    score_N = np.round(rng.normal(size=200) + positive_N, 1)  # with ties
    auc, influence_N = auc_influence(score_N, positive_N)
    expected, variance = literal_components(score_N, positive_N)
    assert auc == pytest.approx(expected, abs=1e-12)
    assert auc == pytest.approx(roc_auc_score(positive_N, score_N), abs=1e-12)
    assert influence_N.sum() == pytest.approx(0, abs=1e-12)
    p, n = positive_N.sum(), (~positive_N).sum()
    by_class = np.square(influence_N[positive_N]).sum() * p / (p - 1) + np.square(
        influence_N[~positive_N]
    ).sum() * n / (n - 1)
    assert by_class == pytest.approx(variance, rel=1e-10)


def test_a_hand_worked_auc() -> None:
    # Positives .9 and .4, negatives .5 and .1: 3 of 4 pairs are in order.
    auc, influence_N = auc_influence(np.array([0.9, 0.4, 0.5, 0.1]), np.array([True, True, False, False]))
    assert auc == 0.75
    # .9 is above both negatives: (1 - .75) / 2; .4 above one of two: (.5 - .75) / 2; likewise the negatives.
    np.testing.assert_allclose(influence_N, [0.125, -0.125, -0.125, 0.125])


def _arm(auc_PL: np.ndarray, patients: int = 100) -> Judged:
    return Judged(auc_PL, np.zeros(patients))


def test_an_arm_does_not_differ_from_itself() -> None:
    arm = _arm(np.random.default_rng(2).random((3, 4)))
    gap = difference(arm, arm)
    assert (gap.value, gap.half) == (0, 0)


def test_pairing_takes_away_what_arms_share() -> None:
    rng = np.random.default_rng(3)
    shared_PL = rng.normal(size=(5, 20))
    ours, theirs = _arm(shared_PL + 0.01), _arm(shared_PL)
    assert difference(ours, theirs).value == pytest.approx(0.01)
    assert difference(ours, theirs).half < 1e-12
    unpaired = _arm(theirs.auc_PL[::-1])
    assert difference(ours, unpaired).half > 0.1


def test_intervals_of_differences_cover_the_truth() -> None:
    """400 made studies with spread of pretrainings and of label draws; nominal 95%."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        noise_PL = rng.normal(size=(5, 1)) + rng.normal(size=(1, 20)) + rng.normal(size=(5, 20))
        gap = difference(_arm(0.3 + noise_PL), _arm(np.zeros((5, 20))))
        covered += gap.low <= 0.3 <= gap.high
    assert 0.93 <= covered / 400 <= 1.0  # pairs of both sources count twice, so rather too wide than too narrow


def test_a_pool_knows_the_spread_that_two_pretrainings_do_not() -> None:
    rng = np.random.default_rng(5)
    arms = [_arm(rng.normal(scale=0.01, size=(2, 1)) + np.zeros((2, 3))) for _ in range(20)]
    pooled = contrast([arms[0]], [arms[1]], pool=arms)
    # The deviation of a difference of two means over two pretrainings is 0.01; t with 19 degrees of freedom: 2.09.
    assert pooled.half == pytest.approx(0.0209, rel=0.35)
