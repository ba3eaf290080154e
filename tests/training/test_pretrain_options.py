"""The step that pretrains: its options reach the training, and several processes leave what one does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_store import write_noise
from safetensors.numpy import load_file

from medtrimix.augment.options import AugmentOptions
from medtrimix.errors import InputError, Interrupted
from medtrimix.methods.options import BYOLOptions, PretrainingOptions, SimCLROptions, TriMixOptions
from medtrimix.nets.options import EncoderOptions, ProjectorOptions
from medtrimix.steps import pretrain
from medtrimix.steps.context import Context, Recorder
from medtrimix.steps.numerics import Numerics
from medtrimix.training.options import SGDOptions

SMALL = ProjectorOptions(hidden_dim=32, dim=16)
SIMCLR = SimCLROptions(projector=SMALL)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_noise(folder)
    return folder


class Pretrained:
    """What one run of the step left."""

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        self.weights: dict[str, Any] = load_file(folder / "encoder.safetensors")
        self.metrics = recorder.metrics
        self.curve = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]


def pretrained(
    studied: Path,
    out: Path,
    *,
    method: PretrainingOptions = SIMCLR,
    should_stop: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Pretrained:
    config = pretrain.Config(
        method=method,
        encoder=EncoderOptions(name="resnet10", width=0.125),
        augment=AugmentOptions(),
        batch_size=options.pop("batch_size", 12),
        image_budget=options.pop("image_budget", 100),
        epochs=None,
        optimizer=SGDOptions(learning_rate=0.01),
        numerics=Numerics(device="cpu", precision="fp32"),
        seed=1,
        **options,
    )
    out.mkdir(exist_ok=True)
    recorder = Recorder(out)
    inputs = pretrain.Inputs(ingest=studied / "ingest", split=studied / "split")
    context = Context(recorder=recorder, should_stop=should_stop, workers=1, checkpoint_every_s=1e9)
    pretrain.run(config, inputs=inputs, out=out, context=context)
    recorder.close()
    return Pretrained(out, recorder)


def difference(one: Pretrained, other: Pretrained) -> float:
    assert one.weights.keys() == other.weights.keys()
    return max(float(np.abs(one.weights[name] - other.weights[name]).max()) for name in one.weights)


def test_teachers_move_in_a_training_of_the_step(studied: Path, tmp_path: Path) -> None:
    """They start as copies, follow half the way after each step, and stand still if nobody tells them to move."""
    steps = []
    for stop_at in (1, 2):
        asked = iter([False] * (stop_at - 1) + [True])
        method, out = BYOLOptions(projector=SMALL, momentum=0.5), tmp_path / str(stop_at)
        with pytest.raises(Interrupted):
            pretrained(studied, out, method=method, should_stop=asked.__next__)
        steps.append(torch.load(out / pretrain.CHECKPOINT, weights_only=True)["module"])
    for state in steps:
        assert not torch.equal(state["projector.0.weight"], state["teacher.copies.1.0.weight"])
    first, second = (state["teacher.copies.1.0.weight"] for state in steps)
    assert not torch.equal(first, second)


def test_the_batch_counts_whole_however_it_is_cut(studied: Path, tmp_path: Path) -> None:
    whole = pretrained(studied, tmp_path / "whole")
    parts = pretrained(studied, tmp_path / "parts", accumulate=3)
    # Worked by hand: 12 images twice are 24 a step; 100 images make 4 steps of 24; 26 images make 2 steps an epoch.
    for made in (whole, parts):
        assert {name: made.metrics[name] for name in ("steps", "epochs", "images")} == {
            "steps": 4,
            "epochs": pytest.approx(48 / 26),  # two of 26 images are left out of each
            "images": 96,
        }
    assert [point["images"] for point in parts.curve] == [24, 48, 72, 96]
    assert difference(whole, parts) > 1e-5, "contrast is with the other images of a part only"


def test_parts_of_one_image_are_refused(studied: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="26 images can't be cut into 14 batches"):
        pretrained(studied, tmp_path, batch_size=28, accumulate=14)


def test_the_average_is_what_is_saved(studied: Path, tmp_path: Path) -> None:
    last = pretrained(studied, tmp_path / "last")
    mean = pretrained(studied, tmp_path / "mean", ema=0.9)
    assert [point["loss"] for point in mean.curve] == [point["loss"] for point in last.curve]
    assert mean.weights.keys() == last.weights.keys()
    assert difference(mean, last) > 1e-5
    again = pretrained(studied, tmp_path / "again", ema=0.9)
    assert difference(mean, again) == 0


@pytest.mark.slow
def test_two_processes_leave_what_one_does(studied: Path, tmp_path: Path) -> None:
    """Weights in float32; one line of the curve for each step, also after an interruption."""
    options: dict[str, Any] = {
        "method": TriMixOptions.model_validate({"base": {"method": "simclr", "projector": SMALL}}),
        "accumulate": 2,
        "ema": 0.5,
        "image_budget": 150,
    }
    one = pretrained(studied, tmp_path / "one", **options)
    two = pretrained(studied, tmp_path / "two", processes=2, **options)
    assert difference(one, two) < 1e-4
    assert [point["step"] for point in two.curve] == [0, 1, 2, 3]
    losses = [[point["loss"] for point in each.curve] for each in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert two.metrics == pytest.approx(one.metrics, rel=1e-4)
    with pytest.raises(Interrupted):
        pretrained(studied, tmp_path / "parts", processes=2, should_stop=lambda: True, **options)
    resumed = pretrained(studied, tmp_path / "parts", processes=2, **options)
    assert difference(resumed, two) == 0
    assert [point["loss"] for point in resumed.curve] == losses[1]


@pytest.mark.slow
def test_a_compiled_encoder_has_the_same_loss(studied: Path, tmp_path: Path) -> None:
    if not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler")
    plain = pretrained(studied, tmp_path / "plain", image_budget=48)
    compiled = pretrained(studied, tmp_path / "compiled", image_budget=48, compiled=True)
    losses = [[point["loss"] for point in each.curve] for each in (plain, compiled)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert difference(plain, compiled) < 1e-3  # float32, other order of sums
    assert losses[0][0] != losses[0][1]
