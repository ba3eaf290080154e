"""Labels that the control needs for the same AUC: crossings worked by hand, open ends, and what never changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from medtrimix.report.efficiency import crossings, efficiencies
from medtrimix.report.figures.efficiency import label_efficiency
from medtrimix.report.study import LabelsNeeded, Study
from medtrimix.report.wording import about, labels_needed

LABELS = [10, 100, 1000]
GAPS = st.lists(st.integers(-50, 50), min_size=3, max_size=3)


def crossing(*behind: float) -> float:
    return float(crossings(LABELS, np.array(behind)[:, None])[0])


def test_a_crossing_is_read_off_the_logarithm() -> None:
    """Half way from .05 behind to .05 ahead is half way from 100 to 1,000 in powers of ten: 10 ** 2.5."""
    assert crossing(0.10, 0.05, -0.05) == pytest.approx(10**2.5)
    assert crossing(0.03, -0.01, -0.05) == pytest.approx(10**1.75)


def test_ends_are_open() -> None:
    assert crossing(0.2, 0.1, 0.01) == math.inf  # more than 1,000
    assert crossing(-0.01, -0.02, -0.03) == 10  # 10 or fewer
    assert crossing(0.0, -0.1, -0.2) == 10
    assert crossing(0.2, 0.1, 0.0) == pytest.approx(1000)


def test_a_curve_that_falls_is_made_monotone_first() -> None:
    """Ahead at 100 and behind again at 1,000 by as much is level at both: the mean of -.02 and +.02 is 0, at 100."""
    assert crossing(0.1, -0.02, 0.02) == pytest.approx(100)
    assert crossing(0.1, -0.02, 0.03) == math.inf  # level at +.005: never reached, though it once was
    assert crossing(0.1, -0.03, 0.01) == pytest.approx(10 ** (1 + 0.1 / 0.11))  # level at -.01


@given(GAPS)
def test_agrees_with_isotonic_regression_of_scikit_learn(gaps: list[int]) -> None:
    level = IsotonicRegression(increasing=False).fit(range(3), gaps).predict(range(3))
    found = crossing(*gaps)
    if level[0] <= 1e-9:
        assert found == 10
    elif level[2] > 1e-9:
        assert found == math.inf
    else:
        assert np.interp(math.log10(found), [1, 2, 3], level) == pytest.approx(0, abs=1e-6)


@given(GAPS, st.integers(0, 30))
def test_a_better_arm_never_needs_fewer(gaps: list[int], more: int) -> None:
    assert crossing(*(gap + more for gap in gaps)) >= crossing(*gaps) * (1 - 1e-12)


@given(st.lists(GAPS, min_size=2, max_size=5))
def test_draws_do_not_meddle_with_each_other(draws: list[list[int]]) -> None:
    together = crossings(LABELS, np.array(draws, dtype=float).T)
    assert together.tolist() == [crossing(*gaps) for gaps in draws]


def test_a_study_has_one_for_each_combination_but_the_control(study: Study) -> None:
    found = efficiencies(study)
    assert len(found) == (4 * 2 - 1) * 3
    assert all(one.needed.low <= one.needed.high for one in found)
    ends = {(one.needed.fewest, one.needed.most) for one in found}
    assert ends == {(10, 960)}
    first = next(one for one in found if (one.arm, one.strategy, one.budget) == ("trimix", "linear", "1%"))
    assert 96 < first.needed.low < first.needed.value < first.needed.high < 960


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (316.2, 184.0, 904.0, "about 320 [180, 900]"),
        (316.2, 10.0, math.inf, "about 320 [≤10, >4,698]"),
        (10.0, 10.0, 10.0, "at most 10"),
        (10.0, 10.0, 47.0, "at most 10 [≤10, 47]"),
        (math.inf, math.inf, math.inf, "more than 4,698"),
        (math.inf, 3951.0, math.inf, "more than 4,698 [4,000, >4,698]"),
    ],
)
def test_words(value: float, low: float, high: float, text: str) -> None:
    assert labels_needed(LabelsNeeded(value, low, high, fewest=10, most=4698)) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(7.4, "7"), (47.2, "47"), (149.9, "150"), (4698, "4,700"), (12345, "12,000")]
)
def test_estimates_have_two_digits(amount: float, text: str) -> None:
    assert about(amount) == text


def test_the_figure_draws_every_point(study: Study) -> None:
    figure = label_efficiency(study)
    assert figure is not None
    names = figure.axes[0].get_legend_handles_labels()[1]
    assert names == ["TriMix", "SimCLR", "Barlow Twins", "from scratch"]
    assert figure.axes[1].get_legend_handles_labels()[1] == names[:3]  # the control against itself says nothing
