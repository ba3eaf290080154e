"""Images worth a look: of their kind and of one kind only, for classes and for findings."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from medtrimix.metrics.examples import HIGH, LOW, NUMBER, Chosen, choose


def places(found: Chosen, kind: str) -> np.ndarray:
    return found.place_B[found.kind_B == kind]


def test_of_classes() -> None:
    generator = np.random.default_rng(0)
    probability_NK = generator.dirichlet([0.5, 0.5], size=200)
    target_N = (generator.random(200) < probability_NK[:, 1]).astype(np.int64)
    found = choose(probability_NK, target_N)
    called_N = probability_NK.argmax(axis=1)
    np.testing.assert_array_equal(found.column_B, called_N[found.place_B])
    assert (called_N == target_N)[places(found, "right")].all()
    assert not (called_N == target_N)[places(found, "wrong")].any()
    assert sorted(np.bincount(target_N[places(found, "right")])) == [4, 4]
    gap_N = np.abs(probability_NK[:, 1] - 0.5)
    assert gap_N[places(found, "uncertain")].max() <= np.sort(gap_N)[7] + 1e-12
    assert len(found.place_B) == len(set(found.place_B.tolist())) == 24


def test_a_faultless_learner_has_no_wrong_example() -> None:
    found = choose(np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]), np.array([0, 1, 1]))
    assert places(found, "wrong").size == 0
    assert places(choose(np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[1, 0], [0, 1]])), "missed").size == 0


def test_of_findings_by_hand() -> None:
    """Finding 0 is in three images: .9 is above all eight without it, .35 above four, .05 above none of them."""
    without = [0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7]
    probability_NL = np.array([[0.9, 0.5], [0.35, 0.5], [0.05, 0.5], *([score, 0.5] for score in without)])
    target_NL = np.zeros((11, 2), dtype=np.int64)
    target_NL[:3, 0] = 1
    found = choose(probability_NL, target_NL)
    assert list(zip(found.kind_B.tolist(), found.place_B.tolist(), found.column_B.tolist(), strict=True)) == [
        ("seen", 0, 0),
        ("missed", 2, 0),
        ("false_alarm", 10, 0),
    ]


@given(seed=st.integers(0, 999), findings=st.integers(2, 14), n=st.integers(2, 60))
@settings(max_examples=60, deadline=None)
def test_of_findings_each_is_of_its_kind_and_comes_once(seed: int, findings: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    probability_NL = generator.random((n, findings)).round(1)  # with ties
    target_NL = (generator.random((n, findings)) < 0.2).astype(np.int64)
    found = choose(probability_NL, target_NL)
    assert len(set(found.place_B.tolist())) == len(found.place_B)
    assert all((found.kind_B == kind).sum() <= NUMBER for kind in set(found.kind_B.tolist()))
    for kind, place, column in zip(found.kind_B, found.place_B, found.column_B, strict=True):
        assert target_NL[place, column] == (kind != "false_alarm")
        others = probability_NL[(target_NL[:, column] == 0) & (np.arange(n) != place), column]
        below = (others < probability_NL[place, column]).mean()
        assert below < LOW if kind == "missed" else below >= HIGH
