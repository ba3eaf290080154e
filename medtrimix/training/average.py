"""A moving average of the encoder's weights, kept beside any method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WithAverage(nn.Module):
    """A method, and the exponential moving average of one of its networks: weights and running statistics.

    It trains like the method alone; its state, hence every checkpoint, has both. The average starts with the weights
    after the first step.

    Args:
        method: is trained.
        network: the part of it to average.
        after_step: what the method does after each step.
        decay: share of the average that is kept at each step, 0 to 1.
    """

    def __init__(
        self, method: nn.Module, *, network: nn.Module, after_step: Callable[[float], None], decay: float
    ) -> None:
        super().__init__()
        self.method = method
        towards = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(network, multi_avg_fn=towards, use_buffers=True)
        self.average.requires_grad_(False)
        self._followed = (network,)  # in a tuple, so that it isn't saved once more
        self._after_step = after_step

    def forward(self, batch: Any) -> Any:
        """The method's loss."""
        return self.method(batch)

    def after_step(self, progress: float) -> None:
        """The method's own, then one step of the average towards the weights."""
        self._after_step(progress)
        self.average.update_parameters(self._followed[0])

    @torch.no_grad()
    def hand_over(self) -> None:
        """Puts the average in the place of the trained weights."""
        self._followed[0].load_state_dict(self.average.module.state_dict())
