"""The statistics of the method benchmarks: known values, and intervals that cover what they should."""

from __future__ import annotations

import numpy as np
import pytest
from judging import Judged, _judged_auc, contrast, difference

from medtrimix.metrics.delong import auc_influence, delong_variance


def test_influences_give_delongs_variance() -> None:
    rng = np.random.default_rng(1)
    positive_N = rng.random(200) < 0.4
    score_N = np.round(rng.normal(size=200) + positive_N, 1)  # with ties
    patient_N = np.arange(200).astype(str)
    auc, influence_G = _judged_auc(score_N, positive_N, patient_N)
    found = auc_influence(score_N, positive_N)
    assert auc == found.auc
    assert np.square(influence_G).sum() == pytest.approx(delong_variance(found.influence_N, positive_N), rel=1e-10)
    paired_N = np.repeat(np.arange(100), 2).astype(str)
    _, influence_G = _judged_auc(score_N, positive_N, paired_N)
    clustered = delong_variance(found.influence_N, positive_N, paired_N)
    assert np.square(influence_G).sum() == pytest.approx(clustered, rel=0.01)  # the covariance has a factor of its own


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
