"""How long a training is, what it sees when, and what counts how much: fixed beforehand, never by a result."""

from __future__ import annotations

import math

import numpy as np

from medtrimix.config.digest import seed_from
from medtrimix.lowlabel.network_options import NetworkOptions
from medtrimix.lowlabel.task import Rows


def batch_size(options: NetworkOptions, *, labels: int) -> int:
    """Images a step: fewer with few labels, but two at least, or batch normalisation has nothing to average."""
    if not options.min_batches_per_epoch:
        return options.batch_size
    return min(options.batch_size, max(2, labels // options.min_batches_per_epoch))


def planned_steps(options: NetworkOptions, *, labels: int) -> int:
    """Optimiser steps: `epochs` passes over the labels, within `min_steps` and `max_steps`."""
    steps = math.ceil(options.epochs * labels / batch_size(options, labels=labels))
    return min(max(steps, options.min_steps), options.max_steps)


def batch_positions(step: int, *, labels: int, batch: int, seed: int) -> Rows:
    """Which of so many images are in the batch of a step: positions in 0..labels-1.

    The images pass in one endless stream of permutations, one after the other, cut into batches of equal size.
    """
    place_B = np.arange(step * batch, (step + 1) * batch)
    epoch_B = place_B // labels
    position_B = np.empty(batch, dtype=np.int64)
    for epoch in np.unique(epoch_B):
        order = np.random.default_rng(seed_from("finetune order", seed, int(epoch))).permutation(labels)
        position_B[epoch_B == epoch] = order[place_B[epoch_B == epoch] % labels]
    return position_B


def curve_steps(options: NetworkOptions, *, steps: int) -> frozenset[int]:
    """Numbers of finished steps after which the curve gets a point, the last one included."""
    return frozenset(math.ceil(steps * (point + 1) / options.curve_points) for point in range(options.curve_points))


def linear_rise(progress: float, *, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end` on, and a straight line between them.

    Lee, "Pseudo-label", ICML workshop 2013, equation 16, divided by its last value.
    """
    if progress < start:
        return 0.0
    return 1.0 if progress >= end else (progress - start) / (end - start)


def gaussian_rise(progress: float, *, end: float) -> float:
    """exp(-5 (1 - progress / end)^2), and 1 from `end` on.

    Laine and Aila, "Temporal ensembling for semi-supervised learning", ICLR 2017, section 2; used by Mean Teacher.
    """
    return 1.0 if progress >= end else math.exp(-5.0 * (1.0 - progress / end) ** 2)
