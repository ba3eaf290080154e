"""How long a finetuning is, and what it sees when: fixed by the options and the number of labels, never by a result."""

from __future__ import annotations

import math

import numpy as np

from medtrimix.config.digest import seed_from
from medtrimix.lowlabel.options import FinetuneOptions
from medtrimix.lowlabel.task import Rows


def batch_size(options: FinetuneOptions, *, labels: int) -> int:
    """Images a step: fewer with few labels, but two at least, or batch normalisation has nothing to average."""
    return min(options.batch_size, max(2, labels // options.min_batches_per_epoch))


def planned_steps(options: FinetuneOptions, *, labels: int) -> int:
    """Optimiser steps: `epochs` passes over the labels, within `min_steps` and `max_steps`."""
    steps = math.ceil(options.epochs * labels / batch_size(options, labels=labels))
    return min(max(steps, options.min_steps), options.max_steps)


def batch_positions(step: int, *, labels: int, batch: int, seed: int) -> Rows:
    """Which of the labelled images are in the batch of a step: positions in 0..labels-1.

    The images pass in one endless stream of permutations, one after the other, cut into batches of equal size.
    """
    place_B = np.arange(step * batch, (step + 1) * batch)
    epoch_B = place_B // labels
    position_B = np.empty(batch, dtype=np.int64)
    for epoch in np.unique(epoch_B):
        order = np.random.default_rng(seed_from("finetune order", seed, int(epoch))).permutation(labels)
        position_B[epoch_B == epoch] = order[place_B[epoch_B == epoch] % labels]
    return position_B


def curve_steps(options: FinetuneOptions, *, steps: int) -> frozenset[int]:
    """Numbers of finished steps after which the curve gets a point, the last one included."""
    return frozenset(math.ceil(steps * (point + 1) / options.curve_points) for point in range(options.curve_points))
