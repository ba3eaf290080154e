"""Optimisers: torch's AdamW and SGD, and LARS, which torch has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor, nn

from medtrimix.training.options import AdamWOptions, LARSOptions, SGDOptions


class LARS(torch.optim.Optimizer):
    """SGD whose step for each layer has a length in proportion to that of its weights.

        d = g + weight_decay * w
        d = d * trust_coefficient * |w| / |d|       where both lengths are above 0, in groups with `adapt`
        m = momentum * m + d
        w = w - lr * m

    You, Gitman, Ginsburg, "Large batch training of convolutional networks", arXiv 1708.03888, algorithm 1, as in the
    published code of Barlow Twins: the rate multiplies the momentum, not what goes into it, and the length is that of
    the decayed gradient, where the paper has |g| + weight_decay * |w|.

    Args:
        groups: parameters, each group with `adapt` and `weight_decay`.
        lr: learning rate.
        momentum: share of the last direction that is kept.
        trust_coefficient: see above.
    """

    def __init__(self, groups: list[dict[str, Any]], *, lr: float, momentum: float, trust_coefficient: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "trust_coefficient": trust_coefficient})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient; `closure` is torch's protocol, and unused here."""
        assert closure is None, "LARS looks at the gradient once"
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, gradient=weight.grad, group=group)
        return None

    def _update(self, weight: Tensor, *, gradient: Tensor, group: dict[str, Any]) -> None:
        direction = gradient.add(weight, alpha=group["weight_decay"])
        if group["adapt"]:
            length, own = direction.norm(), weight.norm()
            trust = group["trust_coefficient"] * own / length
            direction *= torch.where((own > 0) & (length > 0), trust, torch.ones_like(trust))
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].mul_(group["momentum"]).add_(direction)
        weight.add_(state["momentum"], alpha=-group["lr"])


def build_optimizer(options: AdamWOptions | SGDOptions | LARSOptions, *, of: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of these options over all parameters of a module, at its peak learning rate."""
    rate, decay = options.learning_rate, options.weight_decay
    if isinstance(options, LARSOptions):
        groups = _groups(of, weight_decay=decay, exclude_1d=options.exclude_1d)
        return LARS(groups, lr=rate, momentum=options.momentum, trust_coefficient=options.trust_coefficient)
    groups = _groups(of, weight_decay=decay, exclude_1d=options.exclude_1d)
    for group in groups:
        del group["adapt"]
    if isinstance(options, SGDOptions):
        return torch.optim.SGD(groups, lr=rate, momentum=options.momentum, nesterov=options.nesterov)
    return torch.optim.AdamW(groups, lr=rate)


def _groups(of: nn.Module, *, weight_decay: float, exclude_1d: bool) -> list[dict[str, Any]]:
    """One group of all parameters, or two: those with several axes, and the others, left alone by decay and trust."""
    parameters = list(of.parameters())
    if not exclude_1d:
        return [{"params": parameters, "weight_decay": weight_decay, "adapt": True}]
    several = [parameter for parameter in parameters if parameter.ndim > 1]
    one = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [
        {"params": several, "weight_decay": weight_decay, "adapt": True},
        {"params": one, "weight_decay": 0.0, "adapt": False},
    ]
    return [group for group in groups if group["params"]]
