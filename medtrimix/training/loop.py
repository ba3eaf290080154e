"""The training loop: one step after another, resumable at any of them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.wrappers import _FabricModule
from torch import nn

from medtrimix.errors import Interrupted, NumericalError
from medtrimix.schedule import warmup_cosine
from medtrimix.training import checkpoint

BatchT = TypeVar("BatchT")


class Loss(Protocol):
    """What a method returns for one batch."""

    @property
    def total(self) -> torch.Tensor:
        """The scalar to minimise."""

    @property
    def terms(self) -> Mapping[str, torch.Tensor]:
        """Its parts, detached or not, for the curves."""


class Monitor(Protocol):
    """Who watches a training."""

    def rewind(self, step: int) -> None:
        """Forget everything from `step` on: the training goes on from there."""

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None:
        """`step` is finished, with these values."""

    def flush(self) -> None:
        """Make what was told so far durable: a checkpoint follows, and a resumed run won't tell it again."""

    def should_stop(self) -> bool:
        """Whether to save and stop at this safe point."""


@dataclass(frozen=True)
class LoopOptions:
    """How long, how fast, and how often to save.

    Attributes:
        total_steps: optimiser steps from the first to the last, resumed or not.
        warmup_steps: of the linear warm-up.
        checkpoint: file of the resumable state.
        checkpoint_every_s: seconds between saves; what is lost by a kill.
        final_learning_rate: at the end, as a share of the peak.
        accumulate: batches whose gradients are averaged for one optimiser step.
    """

    total_steps: int
    warmup_steps: int
    checkpoint: Path
    checkpoint_every_s: float = 20.0
    final_learning_rate: float = 0.0
    accumulate: int = 1


def make_fabric(*, device: str, precision: str, processes: int = 1) -> Fabric:
    """Fabric on one device of each process; `precision` is `fp32` or `bf16` (autocast, weights stay in float32).

    With several processes they must have met before: see `medtrimix.training.processes`.
    """
    for name in ("lightning.fabric", "lightning.pytorch"):  # their import makes them talk of precision
        logging.getLogger(name).setLevel(logging.WARNING)
    names = {"fp32": "32-true", "bf16": "bf16-mixed"}
    strategy: DDPStrategy | Literal["auto"] = "auto"
    if processes > 1:
        strategy = DDPStrategy(cluster_environment=TorchElasticEnvironment())  # it reads what `together` has set
    fabric = Fabric(accelerator=device, devices=processes, strategy=strategy, precision=names[precision])  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def train(
    method: nn.Module,
    *,
    optimizer: torch.optim.Optimizer,
    batch_at: Callable[[int], BatchT],
    after_step: Callable[[float], None],
    fabric: Fabric,
    options: LoopOptions,
    monitor: Monitor,
) -> None:
    """Trains `method` in place, from its checkpoint if there is one.

    With several processes each calls this with the same arguments; the first one's monitor decides when to stop, and
    only that process writes.

    Args:
        method: a module that, called with a batch, returns its `Loss`: there is nothing to subclass.
        optimizer: over its parameters; each group's `lr` is the peak of the schedule.
        batch_at: the batch of a number, a pure function of it. A step has `options.accumulate` numbers of its own.
        after_step: called once after each optimiser step with the part of the training that is behind us, 0 to 1.
        fabric: device, precision, processes.
        options: length and checkpoints.
        monitor: is told every step's loss and may stop the loop.

    Raises:
        NumericalError: the loss is NaN or infinite; the last checkpoint is kept.
        Interrupted: `monitor.should_stop()`; the state is saved.
    """
    peak_rates = [group["lr"] for group in optimizer.param_groups]
    wrapped, optimizer_ = fabric.setup(method, optimizer)
    first = checkpoint.restore(options.checkpoint, module=method, optimizer=optimizer)
    monitor.rewind(first)
    wrapped.train()
    saved_at = time.monotonic()
    for step in range(first, options.total_steps):
        factor = _rate(step, options=options)
        for group, peak in zip(optimizer.param_groups, peak_rates, strict=True):
            group["lr"] = peak * factor
        optimizer_.zero_grad(set_to_none=True)
        terms = _accumulated(wrapped, step=step, batch_at=batch_at, fabric=fabric, parts=options.accumulate)
        optimizer_.step()
        after_step((step + 1) / options.total_steps)
        monitor.step(step, total_steps=options.total_steps, terms=terms)
        stop = _anyone(monitor.should_stop(), fabric=fabric) and step + 1 < options.total_steps
        if fabric.is_global_zero and (stop or time.monotonic() - saved_at > options.checkpoint_every_s):
            monitor.flush()
            checkpoint.save(options.checkpoint, step=step + 1, module=method, optimizer=optimizer)
            saved_at = time.monotonic()
        if stop:
            raise Interrupted(f"Stopped after step {step + 1} of {options.total_steps}.")


def _rate(step: int, *, options: LoopOptions) -> float:
    return warmup_cosine(
        step,
        total_steps=options.total_steps,
        warmup_steps=options.warmup_steps,
        final=options.final_learning_rate,
    )


def _accumulated(
    wrapped: _FabricModule, *, step: int, batch_at: Callable[[int], BatchT], fabric: Fabric, parts: int
) -> dict[str, float]:
    """Adds the mean gradient of the step's batches to the parameters; returns the means of loss and terms."""
    means: dict[str, float] = {}
    for part in range(parts):
        with fabric.no_backward_sync(wrapped, enabled=part + 1 < parts):
            loss: Loss = wrapped(batch_at(step * parts + part))
            terms = {name: float(value.detach()) for name, value in {"loss": loss.total, **loss.terms}.items()}
            if not math.isfinite(terms["loss"]):
                raise NumericalError(f"The loss became {terms['loss']} at step {step}.", fix="Lower the learning rate.")
            fabric.backward(loss.total / parts)
        means = {name: means.get(name, 0.0) + value / parts for name, value in terms.items()}
    return means


def _anyone(wish: bool, *, fabric: Fabric) -> bool:
    """Whether any process has this wish: all of them must do the same, or one waits for ever."""
    if fabric.world_size == 1:
        return wish
    wishes = fabric.all_reduce(torch.tensor(float(wish), device=fabric.device), reduce_op="sum")
    assert isinstance(wishes, torch.Tensor)
    return bool(wishes > 0)
