"""A training that was stopped goes on as if it had never been: same curve, same weights, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from medtrimix.errors import Interrupted, NumericalError
from medtrimix.methods.method import StepLoss
from medtrimix.training.loop import LoopOptions, make_fabric, train


class Noisy(nn.Module):
    """A small network with batch statistics and dropout, so that weights, buffers and random state all matter."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))

    def forward(self, batch_BE: torch.Tensor) -> StepLoss:
        total = (self.net(batch_BE) - batch_BE.sum(dim=1, keepdim=True)).square().mean()
        return StepLoss(total=total, terms={"square": total})


class Watch:
    """Keeps the curve and asks to stop after some steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.curve: dict[int, float] = {}
        self._stop_after = stop_after

    def rewind(self, step: int) -> None:
        self.curve = {done: value for done, value in self.curve.items() if done < step}

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None:
        assert step < total_steps
        self.curve[step] = terms["loss"]

    def flush(self) -> None:
        pass

    def should_stop(self) -> bool:
        return self._stop_after is not None and max(self.curve) + 1 >= self._stop_after


def batch_at(step: int) -> torch.Tensor:
    return torch.randn(8, 6, generator=torch.Generator().manual_seed(step))


def ignored(progress: float) -> None:
    """For modules that only learn by gradient."""


def trained(checkpoint: Path, watch: Watch, *, every_s: float = 1e9, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    module = Noisy()
    train(
        module,
        optimizer=torch.optim.AdamW(module.parameters(), lr=1e-2),
        batch_at=batch_at,
        after_step=ignored,
        fabric=make_fabric(device="cpu", precision="fp32"),
        options=LoopOptions(total_steps=30, warmup_steps=3, checkpoint=checkpoint, checkpoint_every_s=every_s),
        monitor=watch,
    )
    return module


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("stop_after", [1, 13, 29])
def test_a_stopped_training_ends_where_an_unstopped_one_does(tmp_path: Path, stop_after: int) -> None:
    whole = Watch()
    expected = trained(tmp_path / "whole.pt", whole)
    first = Watch(stop_after)
    with pytest.raises(Interrupted):
        trained(tmp_path / "parts.pt", first)
    assert len(first.curve) == stop_after
    rest = Watch()
    rest.curve = first.curve
    module = trained(tmp_path / "parts.pt", rest, seed=99)  # other first weights: all must come from the checkpoint
    assert rest.curve == whole.curve
    assert same_weights(module, expected)


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    assert not same_weights(trained(tmp_path / "a.pt", Watch()), trained(tmp_path / "b.pt", Watch(), seed=1))


def test_checkpoints_do_not_change_the_result(tmp_path: Path) -> None:
    rare, often = Watch(), Watch()
    expected = trained(tmp_path / "a.pt", rare)
    assert same_weights(trained(tmp_path / "b.pt", often, every_s=0.0), expected)
    assert often.curve == rare.curve


def test_a_loss_that_is_not_a_number_ends_the_training(tmp_path: Path) -> None:
    class Broken(Noisy):
        def forward(self, batch_BE: torch.Tensor) -> StepLoss:
            return StepLoss(total=super().forward(batch_BE).total * float("nan"), terms={})

    module = Broken()
    with pytest.raises(NumericalError, match="step 0"):
        train(
            module,
            optimizer=torch.optim.SGD(module.parameters(), lr=0.1),
            batch_at=batch_at,
            after_step=ignored,
            fabric=make_fabric(device="cpu", precision="fp32"),
            options=LoopOptions(total_steps=2, warmup_steps=1, checkpoint=tmp_path / "c.pt"),
            monitor=Watch(),
        )
