"""The step `pretrain` under watch: same encoder, curves and alarm where people look for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from resume import make_inputs

from medtrimix.augment.options import AugmentOptions
from medtrimix.errors import CollapseError
from medtrimix.methods.options import PretrainingOptions, SimCLROptions, VICRegOptions
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import pretrain
from medtrimix.steps.context import CURVES, Context, Recorder, read_warning
from medtrimix.steps.numerics import Numerics
from medtrimix.steps.pretraining.monitor import Recording
from medtrimix.training import health
from medtrimix.training.health import WATCHED, WatchOptions
from medtrimix.training.options import AdamWOptions

HEALTHY = VICRegOptions()
BROKEN = VICRegOptions(variance_weight=0.0, covariance_weight=0.0)


def pretrained(
    inputs: pretrain.Inputs,
    out: Path,
    *,
    method: PretrainingOptions = HEALTHY,
    watch: WatchOptions = WatchOptions(),  # noqa: B008  (frozen)
    on_collapse: Literal["warn", "fail"] = "warn",
) -> Recorder:
    """Two epochs of 16 steps."""
    out.mkdir()
    recorder = Recorder(out)
    config = pretrain.Config(
        method=method,
        encoder=EncoderOptions(name="resnet10", width=0.125),
        augment=AugmentOptions(preset="radiograph"),
        batch_size=4,
        image_budget=None,
        epochs=2,
        optimizer=AdamWOptions(learning_rate=1e-2),
        numerics=Numerics(device="cpu", precision="fp32"),
        seed=1,
        watch=watch,
        on_collapse=on_collapse,
    )
    context = Context(recorder=recorder, should_stop=lambda: False, workers=1, checkpoint_every_s=1e9)
    pretrain.run(config, inputs=inputs, out=out, context=context)
    recorder.close()
    return recorder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> pretrain.Inputs:
    return make_inputs(tmp_path_factory.mktemp("inputs"))


def curve(recorder: Recorder) -> list[dict[str, float]]:
    return [json.loads(line) for line in (recorder.folder / CURVES).read_text().splitlines()]


def losses(recorder: Recorder) -> list[float]:
    return [point["loss"] for point in curve(recorder)]


def test_the_encoder_is_the_same_bit_for_bit_watched_or_not(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    alone = pretrained(inputs, tmp_path / "alone", watch=WatchOptions(images=0))
    weights = (tmp_path / "alone" / "encoder.safetensors").read_bytes()
    assert not any(name in point for point in curve(alone) for name in WATCHED)
    assert "collapsed" not in alone.metrics
    watched = pretrained(inputs, tmp_path / "watched")
    assert (tmp_path / "watched" / "encoder.safetensors").read_bytes() == weights
    assert losses(watched) == losses(alone)
    assert [point["step"] for point in curve(watched) if "rankme" in point] == [15, 31]
    assert set(WATCHED) <= set(curve(watched)[-1])
    assert (watched.metrics["collapsed"], watched.warning) == (0.0, "")
    assert watched.metrics["projector_spread_untrained"] == pytest.approx(1.0)


def test_another_training_has_other_weights(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    """Companion: the comparison can fail."""
    pretrained(inputs, tmp_path / "one", watch=WatchOptions(images=0))
    pretrained(inputs, tmp_path / "other", method=SimCLROptions(), watch=WatchOptions(images=0))
    one, other = ((tmp_path / name / "encoder.safetensors").read_bytes() for name in ("one", "other"))
    assert one != other


@pytest.fixture
def alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any size is too small: what follows the alarm is tested here, the rule itself in tests/e2e."""
    monkeypatch.setattr(health, "SPREAD_LIMIT", 100.0)


def test_a_healthy_loss_raises_no_alarm(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    assert pretrained(inputs, tmp_path / "healthy").warning == ""


@pytest.mark.usefixtures("alarm")
def test_an_alarm_is_told_at_once_and_the_run_goes_on(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    recorder = pretrained(inputs, tmp_path / "broken", method=BROKEN)
    assert recorder.warning.startswith("epoch 1: ")
    assert "of the projector's output is" in recorder.warning
    assert recorder.metrics["collapsed"] == 1.0
    assert len(curve(recorder)) == 32
    assert (tmp_path / "broken" / "encoder.safetensors").is_file()


@pytest.mark.usefixtures("alarm")
def test_it_ends_the_run_where_that_is_asked_for(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    with pytest.raises(CollapseError, match=r"The representation collapsed\. Epoch") as caught:
        pretrained(inputs, tmp_path / "broken", method=BROKEN, on_collapse="fail")
    assert "on_collapse: warn" in caught.value.fix
    assert caught.value.exit_code == 1
    assert Recorder(tmp_path / "broken").warning
    assert "projector_spread" in curve(Recorder(tmp_path / "broken"))[-1], "the reason is on disk"


def test_labels_are_not_looked_at_when_that_is_not_wanted(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    recorder = pretrained(inputs, tmp_path / "out", watch=WatchOptions(knn=False))
    assert set(WATCHED) - set(curve(recorder)[-1]) == {"knn_val_auc"}


class Told:
    """A watcher that sees what it is told, after each step."""

    limits = health.Limits(features=64, embeddings=128, images=512, size_counts=False)

    def __init__(self, ranks: list[float]) -> None:
        self._ranks = ranks

    def after(self, step: int) -> dict[str, float]:
        healthy = {"rankme": 20.0, "feature_std": 0.1, "projector_feature_std": 0.05}
        return {**healthy, "projector_rankme": self._ranks[step]}

    def collapsed(self, values: Mapping[str, float]) -> str:
        return health.collapse(values, limits=self.limits)


def recorded(folder: Path, ranks: list[float], *, first: int = 0) -> Recorder:
    folder.mkdir(exist_ok=True)
    recorder = Recorder(folder)
    context = Context(recorder=recorder, should_stop=lambda: False, workers=1, checkpoint_every_s=1e9)
    work = health.Work(total_steps=len(ranks), steps_per_epoch=2, images_per_step=8)
    monitor = Recording(context, work=work, watcher=Told(ranks), on_collapse="warn")  # type: ignore[arg-type]
    for step in range(first, len(ranks)):
        monitor.step(step, total_steps=len(ranks), terms={"loss": 1.0})
    return recorder


def test_an_alarm_that_no_longer_holds_at_the_end_has_passed(tmp_path: Path) -> None:
    recorder = recorded(tmp_path / "dip", [9.0, 2.0, 2.5, 9.0])
    assert recorder.warning == ""
    assert read_warning(recorder.folder, passed=True).startswith("epoch 1: the effective rank")
    standing = recorded(tmp_path / "end", [9.0, 9.0, 9.0, 2.0])
    assert standing.warning.startswith("epoch 2: ")
    assert read_warning(standing.folder, passed=True) == ""


def test_a_resumed_training_tells_the_same_alarm(tmp_path: Path) -> None:
    """Killed after the last step, it goes on from a checkpoint in the middle of the dip."""
    recorded(tmp_path / "dip", [9.0, 2.0, 2.5, 9.0])
    again = recorded(tmp_path / "dip", [9.0, 2.0, 2.5, 9.0], first=2)
    assert read_warning(again.folder, passed=True).startswith("epoch 1: ")
    assert again.warning == ""
