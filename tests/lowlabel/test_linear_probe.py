"""The linear probe against scikit-learn's own predictions, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medtrimix.errors import NumericalError
from medtrimix.lowlabel.linear import fit_linear
from medtrimix.lowlabel.options import LinearOptions


def features(*, n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target_N = np.arange(n) % classes
    return (rng.normal(3, 2, (n, 6)) + target_N[:, None]).astype(np.float32), target_N


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("class_weight", ["none", "balanced"])
def test_predicts_what_scikit_learn_predicts(classes: int, class_weight: str) -> None:
    train_NE, target_N = features(n=50, classes=classes)
    test_NE, _ = features(n=30, classes=classes, seed=1)
    options = LinearOptions.model_validate({"class_weight": class_weight})
    oracle = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=0.1, class_weight=None if class_weight == "none" else "balanced", max_iter=2000),
    ).fit(train_NE.astype(np.float64), target_N)
    found_NK = fit_linear(train_NE, target_N, classes=classes, options=options).predict(test_NE)
    np.testing.assert_allclose(found_NK, oracle.predict_proba(test_NE.astype(np.float64)), atol=1e-6)


def test_test_rows_do_not_touch_the_standardisation() -> None:
    train_NE, target_N = features(n=50, classes=2)
    classifier = fit_linear(train_NE, target_N, classes=2, options=LinearOptions())
    test_NE, _ = features(n=30, classes=2, seed=1)
    shifted_NE = np.vstack([test_NE[:1], test_NE[1:] + 1000])
    np.testing.assert_array_equal(classifier.predict(test_NE)[:1], classifier.predict(shifted_NE)[:1])


def test_the_scale_of_a_feature_does_not_matter() -> None:
    train_NE, target_N = features(n=50, classes=2)
    scale_E = np.array([1e-3, 1e3, 1, 1, 1, 1])
    plain = fit_linear(train_NE, target_N, classes=2, options=LinearOptions()).predict(train_NE)
    scaled = fit_linear(train_NE * scale_E, target_N, classes=2, options=LinearOptions()).predict(train_NE * scale_E)
    np.testing.assert_allclose(plain, scaled, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1000.0])
def test_a_feature_that_varies_by_its_rounding_is_no_signal(value: float) -> None:
    train_NE, target_N = features(n=50, classes=2)
    train_NE[:, 2] = value
    train_NE[target_N == 1, 2] *= 1 + np.finfo(np.float32).eps  # the last bit happens to be the label
    test_NE, _ = features(n=30, classes=2, seed=1)
    test_NE[:, 2] = value * (1 + np.finfo(np.float32).eps)
    without = np.delete(np.arange(6), 2)
    found_NK = fit_linear(train_NE, target_N, classes=2, options=LinearOptions()).predict(test_NE)
    expected_NK = fit_linear(train_NE[:, without], target_N, classes=2, options=LinearOptions()).predict(
        test_NE[:, without]
    )
    np.testing.assert_allclose(found_NK, expected_NK, atol=1e-4)


def test_far_away_features_give_probabilities_all_the_same() -> None:
    train_NE, target_N = features(n=50, classes=2)
    found_NK = fit_linear(train_NE, target_N, classes=2, options=LinearOptions()).predict(np.full((1, 6), 1e6))
    assert np.isfinite(found_NK).all()
    assert found_NK.sum() == pytest.approx(1)


def test_features_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(NumericalError):
        fit_linear(np.full((10, 2), np.nan), np.arange(10) % 2, classes=2, options=LinearOptions())
