"""What all losses share: they compare embeddings of one shape, in float32 whatever the encoder ran in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def full_precision(*embedding_BE: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Gives the embeddings in float32 (float64 stays), with autocast off for the block.

    A similarity of bfloat16 has 8 significant bits; divided by a temperature of .2 it is off by more than the loss
    of a trained network. A cast alone is not enough: autocast would send the matrix products back to bfloat16.

    Raises:
        ValueError: not all of one shape (B, E), or fewer than two samples: with one sample there is nothing to
            contrast with and no standard deviation.
    """
    shapes = [tuple(z_BE.shape) for z_BE in embedding_BE]
    if any(shape != shapes[0] for shape in shapes) or len(shapes[0]) != 2:
        raise ValueError(f"embeddings must all have one shape (B, E); got {', '.join(map(str, shapes))}")
    if shapes[0][0] < 2:
        raise ValueError(f"a loss between embeddings needs a batch of at least 2 samples; got {shapes[0][0]}")
    with torch.autocast(device_type=embedding_BE[0].device.type, enabled=False):
        yield tuple(z_BE.to(torch.promote_types(z_BE.dtype, torch.float32)) for z_BE in embedding_BE)
