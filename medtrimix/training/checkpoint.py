"""Everything that a training needs to go on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from medtrimix.config.files import replacing


def save(path: Path, *, step: int, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Weights, optimiser state, number of finished steps and torch's random state, atomically.

    The order of samples and their augmentation depend on the step alone, so they have no state of their own.
    """
    state: dict[str, Any] = {
        "step": step,
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random_cpu": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with replacing(path) as temporary:
        torch.save(state, temporary)


def restore(path: Path, *, module: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Puts the saved state back in place; returns the number of finished steps, 0 when nothing was saved."""
    if not path.is_file():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random_cpu"])
    if state["random_cuda"]:
        torch.cuda.set_rng_state_all(state["random_cuda"])
    return int(state["step"])
