"""Holm's correction: published values, the rejective procedure literally, hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtrimix.metrics.multiplicity import holm

# Columns "rawp" and "Holm" of R's multtest (mt.rawp2adjp), as statsmodels tests against them: test_multi.py,
# res_multtest1.
RAW = [5.23656777208e-05, 2.8140506198e-04, 1.49877310796e-02, 2.02732688798e-02, 0.177096952723, 0.642193923795,
       0.680845947633, 0.71626938238, 0.838541367553, 0.967833824309]  # fmt: skip
HOLM = [5.23656777208e-04, 2.53264555782e-03, 0.119901848636800, 0.141912882158600, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("order", [range(10), range(9, -1, -1), [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]])
def test_agrees_with_r(order: list[int]) -> None:
    assert holm([RAW[place] for place in order]) == pytest.approx([HOLM[place] for place in order], rel=1e-12)


def rejected(p_values: list[float], *, level: float) -> set[int]:
    """Holm 1979: go through them from the smallest, stop at the first that exceeds level / (number left)."""
    found = set()
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for step, place in enumerate(order):
        if p_values[place] > level / (len(p_values) - step):
            break
        found.add(place)
    return found


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_decides_as_the_procedure_does(p_values: list[float], level: float) -> None:
    adjusted = holm(p_values)
    clear = [place for place, value in enumerate(adjusted) if abs(value - level) > 1e-9]
    decided = rejected(p_values, level=level)
    assert {place for place in clear if adjusted[place] <= level} == decided & set(clear)
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.minimum(1, len(p_values) * np.array(p_values) + 1e-12)).all()


def test_a_test_that_could_not_be_made_does_not_count() -> None:
    assert holm([0.01, np.nan, 0.02])[[0, 2]] == pytest.approx([0.02, 0.02])
    assert np.isnan(holm([0.01, np.nan, 0.02])[1])
    assert holm([]).shape == (0,)
    assert holm([0.04]) == pytest.approx([0.04])
