"""Random numbers without a state: each is a hash of what it is for.

A view's parameters depend on (seed, epoch, row of the sample, view) only: not on the batch around it, nor on the number
of workers, nor on what was drawn before. So any view can be made again, and a resumed training has nothing to restore.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def splitmix64(counter: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The splitmix64 generator's output function, element by element: a bijection that scatters neighbours.

    Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with the constants of Vigna's
    splitmix64.c, whose n-th output for the seed s is `splitmix64(s + (n - 1) * golden)`.
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is the point
        z = counter + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniforms(
    count: int, *, seed: int, epoch: int, rows_B: npt.NDArray[np.int64], view: int | npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """`count` independent numbers per sample, uniform in [0, 1), shape (B, count), 53 random bits each.

    `view` is a number for all samples or one for each.
    """
    key_B = splitmix64(np.full(len(rows_B), seed, dtype=np.uint64))  # scattered first: seed 1, epoch 2 is not 2, 1
    for part in (np.uint64(epoch), np.asarray(view).astype(np.uint64), np.asarray(rows_B).astype(np.uint64)):
        key_B = splitmix64(key_B ^ part)
    with np.errstate(over="ignore"):
        counter = key_B[:, None] + np.arange(count, dtype=np.uint64) * _GOLDEN
    return np.ldexp((splitmix64(counter) >> np.uint64(11)).astype(np.float64), -53)
