"""How long finetuning is and what it sees when."""

from __future__ import annotations

import numpy as np
import pytest
import references.semi_supervised as slow
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from medtrimix.augment.options import AugmentOptions
from medtrimix.lowlabel.options import FinetuneOptions, KNNOptions, LinearOptions, StrategyOptions
from medtrimix.lowlabel.schedule import (
    batch_positions,
    batch_size,
    curve_steps,
    gaussian_rise,
    linear_rise,
    planned_steps,
)
from medtrimix.lowlabel.semi_options import FixMatchOptions, PseudoLabelOptions

OPTIONS = FinetuneOptions(epochs=10, min_steps=50, max_steps=400, batch_size=32, min_batches_per_epoch=2)


@pytest.mark.parametrize(
    ("labels", "batch", "steps"),
    [
        (2, 2, 50),  # never below two images, or batch normalisation has nothing to normalise
        (40, 20, 50),  # 10 epochs would be 20 steps
        (320, 32, 100),  # 10 epochs of 10
        (9999, 32, 400),  # 10 epochs would be 3,125
    ],
)
def test_length(labels: int, batch: int, steps: int) -> None:
    assert batch_size(OPTIONS, labels=labels) == batch
    assert planned_steps(OPTIONS, labels=labels) == steps


@pytest.mark.parametrize("labels", [2, 40, 320])
def test_a_batch_that_never_shrinks(labels: int) -> None:
    options = OPTIONS.model_copy(update={"min_batches_per_epoch": 0})
    assert batch_size(options, labels=labels) == 32
    assert planned_steps(options, labels=labels) == max(50, 10 * labels // 32)


def test_more_labels_never_mean_less_training() -> None:
    lengths = [planned_steps(OPTIONS, labels=labels) * batch_size(OPTIONS, labels=labels) for labels in range(2, 3000)]
    assert (np.diff(lengths) >= 0).all()


@given(labels=st.integers(2, 60), batch=st.integers(2, 40), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_every_image_comes_once_in_every_pass(labels: int, batch: int, seed: int) -> None:
    stream = np.concatenate(
        [batch_positions(step, labels=labels, batch=batch, seed=seed) for step in range(2 * labels)]
    )
    passes = stream[: len(stream) // labels * labels].reshape(-1, labels)
    assert (np.sort(passes, axis=1) == np.arange(labels)).all()


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(batch_positions(step, labels=30, batch=30, seed=seed)) for step in range(5) for seed in range(5)}
    assert len(orders) == 25


def test_the_curve_has_its_points_and_the_last_step() -> None:
    assert curve_steps(OPTIONS, steps=100) == {20, 40, 60, 80, 100}
    assert curve_steps(OPTIONS, steps=3) == {1, 2, 3}


STRATEGY: TypeAdapter[LinearOptions | FinetuneOptions] = TypeAdapter(StrategyOptions)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('"linear"', LinearOptions()),
        ('"finetune"', FinetuneOptions()),
        ('{"strategy": "linear", "inverse_regularisation": 1.0}', LinearOptions(inverse_regularisation=1.0)),
        ('{"strategy": "finetune", "epochs": 3}', FinetuneOptions(epochs=3)),
        ('{"strategy": "knn", "metric": "euclidean"}', KNNOptions(metric="euclidean")),
        ('"fixmatch"', FixMatchOptions()),
        (
            '{"strategy": "fixmatch", "strong": {"preset": "ct", "rotation_degrees": 3}}',
            FixMatchOptions(strong=AugmentOptions(preset="ct", rotation_degrees=3.0)),
        ),
    ],
)
def test_a_strategy_is_a_name_or_a_mapping(text: str, options: LinearOptions | FinetuneOptions) -> None:
    assert STRATEGY.validate_json(text, strict=True) == options


@pytest.mark.parametrize(
    "text",
    [
        '"nearest"',
        '{"epochs": 3}',
        '{"strategy": "linear", "epochs": 3}',
        '{"strategy": "finetune", "epochs": 3.5}',
        "3",
    ],
)
def test_what_is_no_strategy_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        STRATEGY.validate_json(text, strict=True)


def test_minimum_above_maximum_is_refused() -> None:
    with pytest.raises(ValidationError, match="min_steps 5 is above max_steps 4"):
        FinetuneOptions(min_steps=5, max_steps=4)


@pytest.mark.parametrize("progress", [0.0, 0.19, 0.2, 0.45, 0.69, 0.7, 1.0])
def test_the_weight_of_pseudo_labels_rises_as_published(progress: float) -> None:
    expected = slow.lees_alpha(progress, t1=0.2, t2=0.7, final=3.0)
    assert 3.0 * linear_rise(progress, start=0.2, end=0.7) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.39, 0.4, 0.9])
def test_the_weight_of_consistency_rises_as_published(progress: float) -> None:
    assert gaussian_rise(progress, end=0.4) == pytest.approx(slow.laines_rampup(progress, length=0.4), rel=1e-12)


def test_rises_without_length_are_there_at_once() -> None:
    assert linear_rise(0.0, start=0.0, end=0.0) == 1
    assert gaussian_rise(0.0, end=0.0) == 1


def test_a_rise_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"rise_to 0\.1 is below rise_from 0\.5"):
        PseudoLabelOptions(rise_from=0.5, rise_to=0.1)
