"""LARS restated number by number, in Python's own floating point (which is float64)."""

from __future__ import annotations

import math

Rows = list[float]


def lars(
    weight: Rows,
    gradients: list[Rows],
    *,
    lr: float,
    momentum: float,
    trust_coefficient: float,
    weight_decay: float,
    adapt: bool,
) -> Rows:
    """The weights after one update for each of the gradients.

    `LARS` in `main.py` of github.com/facebookresearch/barlowtwins, line by line, for one parameter.
    """
    weight, moving = list(weight), [0.0] * len(weight)
    for gradient in gradients:
        direction = [g + weight_decay * w for g, w in zip(gradient, weight, strict=True)]
        if adapt:
            own = math.sqrt(sum(w * w for w in weight))
            length = math.sqrt(sum(d * d for d in direction))
            trust = trust_coefficient * own / length if own > 0 and length > 0 else 1.0
            direction = [trust * d for d in direction]
        moving = [momentum * m + d for m, d in zip(moving, direction, strict=True)]
        weight = [w - lr * m for w, m in zip(weight, moving, strict=True)]
    return weight
