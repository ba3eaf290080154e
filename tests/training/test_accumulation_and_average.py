"""Batches cut into parts, averaged weights, the end of the schedule: what they are, and that they resume exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from test_resume import Noisy, Watch, batch_at, ignored, same_weights
from torch import nn

from medtrimix.errors import Interrupted
from medtrimix.methods.method import StepLoss
from medtrimix.schedule import warmup_cosine
from medtrimix.training.average import WithAverage
from medtrimix.training.loop import LoopOptions, make_fabric, train
from medtrimix.training.order import StepOrder


class Plain(nn.Module):
    """A mean over samples: the one kind of loss for which a batch in parts is the same batch."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(6, 1).double()
        self.progress: list[float] = []

    def forward(self, batch_BE: torch.Tensor) -> StepLoss:
        total = (self.net(batch_BE) - batch_BE.sum(dim=1, keepdim=True)).square().mean()
        return StepLoss(total=total, terms={"square": total, "twice": 2 * total})


def run(
    module: nn.Module,
    checkpoint: Path,
    *,
    batches: Callable[[int], torch.Tensor] = batch_at,
    after_step: Callable[[float], None] = ignored,
    parts: int = 1,
    watch: Watch | None = None,
    steps: int = 6,
    final: float = 0.0,
) -> Watch:
    watch = watch or Watch()
    train(
        module,
        optimizer=torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9),
        batch_at=batches,
        after_step=after_step,
        fabric=make_fabric(device="cpu", precision="fp32"),
        options=LoopOptions(
            total_steps=steps, warmup_steps=1, checkpoint=checkpoint, final_learning_rate=final, accumulate=parts
        ),
        monitor=watch,
    )
    return watch


def rows_at(number: int) -> torch.Tensor:
    return torch.randn(12, 6, generator=torch.Generator().manual_seed(number), dtype=torch.float64)


def test_a_mean_over_samples_is_the_same_in_parts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole, parts, cut_wrongly = Plain(), Plain(), Plain()
    for module in (parts, cut_wrongly):
        module.load_state_dict(whole.state_dict())
    once = run(whole, tmp_path / "a.pt", batches=rows_at)
    thrice = run(parts, tmp_path / "b.pt", parts=3, batches=lambda n: rows_at(n // 3)[n % 3 :: 3])
    run(cut_wrongly, tmp_path / "c.pt", parts=3, batches=lambda n: rows_at(n)[n % 3 :: 3])
    torch.testing.assert_close(parts.net.weight, whole.net.weight, rtol=0, atol=1e-12)
    assert thrice.curve == pytest.approx(once.curve, abs=1e-12)
    assert not torch.allclose(cut_wrongly.net.weight, whole.net.weight, rtol=0, atol=1e-6), "it can fail"


def test_after_each_optimiser_step_and_not_after_each_part(tmp_path: Path) -> None:
    told: list[float] = []
    watch = run(Plain(), tmp_path / "a.pt", parts=3, batches=rows_at, after_step=told.append, steps=4)
    assert told == [0.25, 0.5, 0.75, 1.0]
    assert sorted(watch.curve) == [0, 1, 2, 3]


def test_parts_of_a_step_are_its_rows() -> None:
    whole = StepOrder(np.arange(50), batch_size=12, seed=3)
    parts = StepOrder(np.arange(50), batch_size=12, seed=3, parts=4)
    assert parts.steps_per_epoch == whole.steps_per_epoch == 4
    for step in range(9):
        numbers = range(4 * step, 4 * step + 4)
        assert {len(parts.rows(number)) for number in numbers} == {3}
        np.testing.assert_array_equal(np.concatenate([parts.rows(number) for number in numbers]), whole.rows(step))
        assert {parts.epoch(number) for number in numbers} == {whole.epoch(step)}


def test_few_rows_in_parts_of_one_size() -> None:
    order = StepOrder(np.arange(11), batch_size=256, seed=3, parts=4)
    assert order.batch_size == 8
    assert [len(order.rows(number)) for number in range(4)] == [2] * 4


def averaged(decay: float = 0.8) -> tuple[WithAverage, list[float]]:
    told: list[float] = []
    module = Noisy()
    return WithAverage(module, network=module.net, after_step=told.append, decay=decay), told


def test_the_average_by_its_definition(tmp_path: Path) -> None:
    """It is a = .8 a + .2 w after each step, from w after the first one; running statistics like weights."""
    torch.manual_seed(0)
    module, told = averaged()
    seen: list[dict[str, torch.Tensor]] = []

    def after_step(progress: float) -> None:
        module.after_step(progress)
        assert isinstance(module.method, Noisy)
        seen.append({name: value.clone() for name, value in module.method.net.state_dict().items()})

    run(module, tmp_path / "a.pt", after_step=after_step)
    for name in ("0.weight", "1.bias", "1.running_mean", "1.running_var"):
        expected = seen[0][name].double()
        for state in seen[1:]:
            expected = 0.8 * expected + 0.2 * state[name].double()
        found = module.average.module.state_dict()[name]
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)
        assert (found - seen[-1][name]).abs().max() > 1e-4, "the last weights themselves would show"
    assert len(told) == 6
    module.hand_over()
    assert isinstance(module.method, Noisy)
    assert same_weights(module.method.net, module.average.module)


def test_an_average_does_not_change_the_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    alone = Noisy()
    torch.manual_seed(0)
    module, _ = averaged()
    torch.manual_seed(1)
    expected = run(alone, tmp_path / "a.pt")
    torch.manual_seed(1)
    assert run(module, tmp_path / "b.pt", after_step=module.after_step).curve == expected.curve
    assert same_weights(module.method, alone)


def test_parts_and_average_resume_bit_for_bit(tmp_path: Path) -> None:
    def part(name: str, seed: int, watch: Watch) -> WithAverage:
        torch.manual_seed(seed)
        module, _ = averaged()
        run(module, tmp_path / name, parts=2, watch=watch, after_step=module.after_step)
        return module

    whole, first, rest = Watch(), Watch(stop_after=3), Watch()
    expected = part("whole.pt", 0, whole)
    with pytest.raises(Interrupted):
        part("parts.pt", 0, first)
    rest.curve = first.curve
    resumed = part("parts.pt", 99, rest)
    assert rest.curve == whole.curve
    assert same_weights(resumed, expected)
    assert not same_weights(resumed.average.module, resumed.method.net)  # type: ignore[arg-type]


def test_the_rate_ends_where_it_is_told_to() -> None:
    # Half a cosine from 1 to .2 over 8 steps after 4: in the middle .6, at the end .2.
    factors = [warmup_cosine(step, total_steps=12, warmup_steps=4, final=0.2) for step in (3, 4, 8, 12)]
    assert factors == pytest.approx([1.0, 1.0, 0.6, 0.2])


def test_a_higher_end_is_another_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    low, high, same = Plain(), Plain(), Plain()
    for module in (high, same):
        module.load_state_dict(low.state_dict())
    for name, module, final in (("a", low, 0.0), ("b", high, 0.5), ("c", same, 0.0)):
        run(module, tmp_path / name, batches=rows_at, final=final)
    assert torch.equal(low.net.weight, same.net.weight)
    assert not torch.equal(low.net.weight, high.net.weight)
