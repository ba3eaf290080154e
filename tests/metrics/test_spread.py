"""The interval of a mean over few repetitions and many patients covers the truth as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from medtrimix.metrics.definitions import Floats
from medtrimix.metrics.spread import half_range, widened

STUDIES, PATIENTS, DRAWS = 1500, 100, 300


def simulated(*, repetitions: int, spread: float) -> tuple[Floats, Floats]:
    """Studies whose true mean is 0: `value_SRP`, bootstrap draws of each repetition, and its plain value `mean_SP`."""
    generator = np.random.default_rng(0)
    value_SPN = spread * generator.normal(size=(STUDIES, repetitions, 1))
    value_SPN = value_SPN + generator.normal(size=(STUDIES, 1, PATIENTS))
    value_SPN = value_SPN + 0.3 * generator.normal(size=(STUDIES, repetitions, PATIENTS))
    share_RN = generator.multinomial(PATIENTS, np.full(PATIENTS, 1 / PATIENTS), size=DRAWS) / PATIENTS
    return np.einsum("spn,rn->srp", value_SPN, share_RN, optimize=True), value_SPN.mean(axis=2)


def covered(drawn_SR: Floats) -> float:
    low_S, high_S = np.percentile(drawn_SR, [2.5, 97.5], axis=1)
    return float(np.mean((low_S <= 0) & (high_S >= 0)))


@pytest.mark.parametrize("repetitions", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.05, 0.2, 1.0])  # the mean over patients has a standard error of .1
def test_intervals_cover_the_truth(repetitions: int, spread: float) -> None:
    value_SRP, mean_SP = simulated(repetitions=repetitions, spread=spread)
    drawn_SR = np.stack([widened(one, own) for one, own in zip(value_SRP.mean(axis=2), mean_SP, strict=True)])
    assert 0.93 <= covered(drawn_SR) <= 0.995


@pytest.mark.parametrize("repetitions", [2, 5])
def test_other_ways_do_not(repetitions: int) -> None:
    value_SRP, _ = simulated(repetitions=repetitions, spread=1.0)
    assert covered(value_SRP.mean(axis=2)) < 0.6, "patients alone"
    picked_SRP = np.random.default_rng(1).integers(repetitions, size=value_SRP.shape)
    assert covered(np.take_along_axis(value_SRP, picked_SRP, axis=2).mean(axis=2)) < 0.9, "repetitions drawn too"


def test_without_patients_it_is_the_t_interval() -> None:
    values = np.array([0.90, 0.92, 0.91, 0.95])
    low, high = np.percentile(widened(np.full(4000, values.mean()), values), [2.5, 97.5])
    expected = t.interval(0.95, 3, loc=values.mean(), scale=values.std(ddof=1) / 2)
    assert (low, high) == pytest.approx(expected, abs=1e-4)


def test_a_single_repetition_changes_nothing_and_undefined_draws_stay() -> None:
    value_R = np.array([0.5, np.nan, 0.7])
    assert np.array_equal(widened(value_R, [0.6]), value_R, equal_nan=True)
    assert np.array_equal(np.isnan(widened(value_R, [0.6, 0.7])), np.isnan(value_R))


def test_the_half_range_is_students() -> None:
    # Five values of variance .025: standard error .0707, t with 4 degrees of freedom 2.776.
    assert half_range([0.7, 0.8, 0.9, 1.0, 1.1]) == pytest.approx(2.776445 * 0.0707107, rel=1e-5)
    assert half_range([0.9]) == half_range([]) == 0.0
