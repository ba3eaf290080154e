"""Learning rates as a function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math


def warmup_cosine(step: int, *, total_steps: int, warmup_steps: int, final: float = 0.0) -> float:
    """Factor on the base learning rate: linear from near 0 to 1, then half a cosine down to `final`.

    Source: SGDR, arXiv 1608.03983, eq. 5, one cycle.

    Returns:
        a factor in (0, 1] for `0 <= step < total_steps`.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))
