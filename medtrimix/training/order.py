"""Which samples a step sees, as a function of the step alone: a resumed run has no position to restore."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medtrimix.config.digest import seed_from


class StepOrder:
    """Shuffled epochs over `rows_N`, cut into full batches; the remainder of an epoch is dropped (batch statistics).

    Args:
        rows_N: row numbers in the array store.
        batch_size: samples of a step; all of `rows_N` when there are fewer.
        seed: of the permutations, one per epoch.
        parts: batches that a step is cut into, all of one size; batch `n` is part `n % parts` of step `n // parts`.
    """

    def __init__(self, rows_N: npt.NDArray[np.int64], *, batch_size: int, seed: int, parts: int = 1) -> None:
        self._rows_N = rows_N
        self._parts = parts
        self.batch_size = min(batch_size, len(rows_N)) // parts * parts
        self._seed = seed
        self._shuffled: tuple[int, npt.NDArray[np.int64]] = (-1, rows_N)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in one pass over the rows."""
        return len(self._rows_N) // self.batch_size

    def epoch(self, number: int) -> int:
        """The pass over the rows, from 0, that batch `number` belongs to."""
        return number // self._parts // self.steps_per_epoch

    def rows(self, number: int) -> npt.NDArray[np.int64]:
        """Row numbers of batch `number`: `(B,)`, without parts those of a step."""
        step, part = divmod(number, self._parts)
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._shuffled[0] != epoch:
            generator = np.random.default_rng(seed_from(self._seed, "epoch", epoch))
            self._shuffled = (epoch, generator.permutation(self._rows_N))
        size = self.batch_size // self._parts
        start = position * self.batch_size + part * size
        return self._shuffled[1][start : start + size]
