"""What decides the last bits of a number besides its formula; part of every key of a step that trains."""

from __future__ import annotations

from typing import Literal

from medtrimix.config import model


class Numerics(model.Config):
    """Device and precision of a training, every `auto` resolved."""

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
