"""Measures of a representation: against literal restatements, by hand, and what they must not depend on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from references import representation as literal

from medtrimix.errors import NumericalError
from medtrimix.metrics.definitions import Floats
from medtrimix.metrics.representation import alignment, feature_std, rankme, uniformity

ONE_SET = {"rankme": rankme, "feature_std": feature_std, "uniformity": uniformity}


def made(rows: int, dims: int, *, seed: int = 0) -> Floats:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(rows, dims)) * np.geomspace(1, 20, dims) + generator.normal(size=dims)


@pytest.mark.parametrize("shape", [(2, 1), (7, 3), (5, 12), (40, 8)])
@pytest.mark.parametrize("name", ONE_SET)
def test_values_are_those_of_the_restatement(name: str, shape: tuple[int, int]) -> None:
    value_NE = made(*shape)
    # 1e-6: eigenvalues of the Gram matrix halve the digits of singular values
    assert ONE_SET[name](value_NE) == pytest.approx(getattr(literal, name)(value_NE.tolist()), rel=1e-6, abs=1e-9)


def test_alignment_is_that_of_the_restatement() -> None:
    first, second = made(9, 4), made(9, 4, seed=1)
    assert alignment(first, second) == pytest.approx(literal.alignment(first.tolist(), second.tolist()), rel=1e-9)


def test_by_hand() -> None:
    # Singular values 3 and 1: shares 3/4 and 1/4, entropy -(.75 ln .75 + .25 ln .25) = .56234, exp = 1.75477.
    assert rankme([[3, 0], [0, 1]]) == pytest.approx(1.75477, abs=1e-5)
    # Directions (1, 0) and (0, 1): each coordinate is 1 and 0, mean 1/2, deviation 1/2.
    assert feature_std([[3, 0], [0, 1]]) == pytest.approx(0.5)
    # |u - v|^2 = (1 - 0)^2 + (0 - 1)^2 = 2 for the first pair, (0 - 0)^2 + (1 - 1)^2 = 0 for the second: mean 1.
    assert alignment([[3, 0], [0, 1]], [[0, 2], [0, 5]]) == pytest.approx(1.0)
    # One pair at squared distance 2: ln exp(-2 * 2) = -4.
    assert uniformity([[3, 0], [0, 1]]) == pytest.approx(-4.0)


@pytest.mark.parametrize("dims", [8, 64])
def test_isotropic_embeddings_have_the_values_that_the_papers_name(dims: int) -> None:
    value_NE = np.random.default_rng(0).normal(size=(4000, dims))
    assert rankme(value_NE) == pytest.approx(dims, rel=0.01)
    assert feature_std(value_NE) == pytest.approx(1 / math.sqrt(dims), rel=0.01)


def test_collapse_has_the_values_that_the_alarm_waits_for() -> None:
    alike = np.tile([1.0, 2.0, 3.0], (20, 1))
    assert rankme(alike) == pytest.approx(1.0, abs=1e-4)
    assert feature_std(alike) == pytest.approx(0.0, abs=1e-12)
    assert uniformity(alike) == pytest.approx(0.0, abs=1e-9)
    assert alignment(alike, 2 * alike) == pytest.approx(0.0, abs=1e-12)
    nothing = np.zeros((20, 3))
    assert (rankme(nothing), feature_std(nothing), uniformity(nothing)) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ONE_SET)
def test_neither_order_nor_scale_nor_rotation_matters(name: str) -> None:
    value_NE = made(30, 6)
    rotation, _ = np.linalg.qr(made(6, 6, seed=3))
    measure = ONE_SET[name]
    assert measure(5 * value_NE[::-1]) == pytest.approx(measure(value_NE), rel=1e-9)
    if name != "feature_std":  # deviations are of coordinates
        assert measure(value_NE @ rotation) == pytest.approx(measure(value_NE), rel=1e-9)


OF_EACH_MEASURE = pytest.mark.parametrize("measure", [*ONE_SET.values(), lambda value: alignment(value, value)])


@OF_EACH_MEASURE
@pytest.mark.parametrize("wrong", [np.ones(4), np.ones((1, 4)), np.ones((4, 0)), np.ones((2, 2, 2))])
def test_what_is_no_set_of_embeddings_is_refused(measure: Callable[[object], float], wrong: object) -> None:
    with pytest.raises(ValueError, match="expected embeddings"):
        measure(wrong)


@OF_EACH_MEASURE
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_network_that_diverged_is_told_as_such(measure: Callable[[object], float], value: float) -> None:
    with pytest.raises(NumericalError, match="Lower the learning rate"):
        measure([[1, value], [0, 1]])


def test_views_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        alignment(np.ones((3, 2)), np.ones((4, 2)))
