"""Optimisers: LARS against its restatement, the others against torch's own, and what is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from references import optimizers as slow
from torch import Tensor, nn

from medtrimix.training.optimizer import LARS, build_optimizer
from medtrimix.training.options import AdamWOptions, LARSOptions, OptimizerOptions, SGDOptions

SETTINGS: dict[str, Any] = {"lr": 0.3, "momentum": 0.9, "trust_coefficient": 0.02}


def updated(weight: Tensor, gradients: list[Tensor], *, weight_decay: float, adapt: bool) -> Tensor:
    parameter = nn.Parameter(weight.clone())
    optimizer = LARS([{"params": [parameter], "weight_decay": weight_decay, "adapt": adapt}], **SETTINGS)
    for gradient in gradients:
        parameter.grad = gradient
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("adapt", [True, False])
@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
def test_lars_is_its_restatement(adapt: bool, weight_decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, *gradients = torch.randn(6, 12, generator=generator, dtype=torch.float64)
    found = updated(weight, gradients, weight_decay=weight_decay, adapt=adapt)
    rows = [gradient.tolist() for gradient in gradients]
    expected = slow.lars(weight.tolist(), rows, weight_decay=weight_decay, adapt=adapt, **SETTINGS)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)
    other = slow.lars(weight.tolist(), rows, weight_decay=weight_decay, adapt=not adapt, **SETTINGS)
    assert (found - torch.tensor(other, dtype=torch.float64)).abs().max() > 1e-3, "the comparison can fail"


def test_lars_by_hand() -> None:
    # |w| = 5 for (3, 4); g = (0, 2), no decay: trust .02 * 5 / 2 = .05, direction (0, .1), the step .3 of it.
    # The second gradient is the same: |w| = sqrt(9 + 3.97^2) = 4.97603..., direction .02 * |w| = .0995206...,
    # momentum .9 * .1 + that = .1895206..., and w2 = 3.97 - .3 * .1895206... = 3.9131438...
    gradient = torch.tensor([0.0, 2.0], dtype=torch.float64)
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64)
    once = updated(weight, [gradient], weight_decay=0.0, adapt=True)
    torch.testing.assert_close(once, torch.tensor([3.0, 3.97], dtype=torch.float64), rtol=0, atol=1e-12)
    twice = updated(weight, [gradient] * 2, weight_decay=0.0, adapt=True)
    length = (9 + 3.97**2) ** 0.5
    assert float(twice[1]) == pytest.approx(3.97 - 0.3 * (0.09 + 0.02 * length), abs=1e-12)
    assert float(twice[1]) == pytest.approx(3.9131438, abs=1e-7)


def test_lars_does_not_divide_by_nothing() -> None:
    zero, some = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    assert updated(zero, [some], weight_decay=0.0, adapt=True).tolist() == pytest.approx([-0.3] * 3)
    assert updated(some, [zero], weight_decay=0.0, adapt=True).tolist() == [1.0] * 3


def test_the_length_of_a_step_does_not_depend_on_that_of_the_gradient() -> None:
    generator = torch.Generator().manual_seed(1)
    weight, gradient = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    steps = [updated(weight, [gradient * scale], weight_decay=0.0, adapt=True) for scale in (1.0, 1e6)]
    torch.testing.assert_close(*steps, rtol=0, atol=1e-12)
    assert float((steps[0] - weight).norm()) == pytest.approx(0.3 * 0.02 * float(weight.norm()))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


def after_steps(module: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    for step in range(4):
        optimizer.zero_grad()
        module(torch.randn(5, 6, generator=torch.Generator().manual_seed(step))).square().mean().backward()
        optimizer.step()
    return [parameter.detach() for parameter in module.parameters()]


def test_adamw_without_a_name_is_torch_s_to_the_last_bit() -> None:
    options = TypeAdapter(OptimizerOptions).validate_json('{"learning_rate": 0.002}')
    assert options == AdamWOptions(learning_rate=0.002)
    ours, theirs = network(), network()
    found = after_steps(ours, build_optimizer(options, of=ours))
    expected = after_steps(theirs, torch.optim.AdamW(theirs.parameters(), lr=0.002, weight_decay=1e-4))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_torch_s_to_the_last_bit(nesterov: bool) -> None:
    ours, theirs = network(), network()
    found = after_steps(ours, build_optimizer(SGDOptions(learning_rate=0.1, nesterov=nesterov), of=ours))
    other = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=nesterov)
    expected = after_steps(theirs, other)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("options", [AdamWOptions, SGDOptions, LARSOptions])
def test_decay_spares_biases_and_scales(options: type[Any]) -> None:
    """With no gradient and strong decay, what is left alone stays as it is, bit for bit."""
    for exclude in (True, False):
        module = network()
        before = [parameter.detach().clone() for parameter in module.parameters()]
        for parameter in module.parameters():
            parameter.grad = torch.zeros_like(parameter)
        build_optimizer(options(weight_decay=0.5, exclude_1d=exclude), of=module).step()
        for old, new in zip(before, module.parameters(), strict=True):
            assert torch.equal(old, new) == (not old.any() or (exclude and old.ndim == 1))


def test_lars_leaves_biases_and_scales_alone_unless_told_otherwise() -> None:
    module = network()
    optimizer = build_optimizer(LARSOptions(), of=module)
    assert [(len(group["params"]), group["adapt"]) for group in optimizer.param_groups] == [(2, True), (4, False)]
    [everything] = build_optimizer(LARSOptions(exclude_1d=False), of=module).param_groups
    assert everything["adapt"]


@pytest.mark.parametrize("options", [AdamWOptions(), SGDOptions(), LARSOptions()], ids=lambda options: options.name)
def test_state_survives_a_file(options: AdamWOptions | SGDOptions | LARSOptions, tmp_path: Path) -> None:
    whole = network()
    expected = after_steps(whole, optimizer := build_optimizer(options, of=whole))
    torch.save((whole.state_dict(), optimizer.state_dict()), tmp_path / "state.pt")
    again = network()
    fresh = build_optimizer(options, of=again)
    weights, state = torch.load(tmp_path / "state.pt", weights_only=True)
    again.load_state_dict(weights)
    fresh.load_state_dict(state)
    further = after_steps(again, fresh)
    expected = after_steps(whole, optimizer)
    assert all(torch.equal(a, b) for a, b in zip(further, expected, strict=True))


@pytest.mark.parametrize(
    "text",
    ['{"name": "adam"}', '{"name": "sgd", "trust_coefficient": 1}', '{"name": "sgd", "momentum": 0, "nesterov": true}'],
)
def test_what_is_no_optimiser_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(OptimizerOptions).validate_json(text)
