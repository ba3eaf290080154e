"""The images that a pretraining is watched on: a few of train, and labelled ones of train and val for neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config.digest import seed_from
from medtrimix.steps import split

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from medtrimix.augment.views import Augmenter
    from medtrimix.data.store import ArrayStore
    from medtrimix.training.health import WatchOptions
    from medtrimix.training.watch import Labels, Probe

    Rows = npt.NDArray[np.int64]

_PAIRS = 256
_BANK, _QUERIES = 1024, 512
_ENOUGH = 16
"""Fewer images say nothing about a representation."""


def make_probe(
    store: ArrayStore,
    *,
    options: WatchOptions,
    split_folder: Path,
    rows_N: Rows,
    augmenter: Augmenter,
    device: torch.device,
) -> Probe | None:
    """The probe of a training on `rows_N`, decided by its seed; None where nothing is to be watched."""
    import torch

    from medtrimix.augment.intensity import normalise
    from medtrimix.nets.memory import channels_last, images_at_a_time
    from medtrimix.training.watch import Probe

    probe_N = _some(rows_N, options.images, seed=augmenter.seed)
    if len(probe_N) < _ENOUGH:
        return None

    def stored(rows_B: Rows) -> torch.Tensor:
        return channels_last(torch.from_numpy(store.images(rows_B)).to(device))

    def varied(rows_B: Rows) -> torch.Tensor:
        return augmenter.view(stored(rows_B), epoch=0, rows_B=rows_B, view=1)

    return Probe(
        rows_N=probe_N,
        pairs_N=probe_N[:_PAIRS],
        plain=lambda rows_B: normalise(stored(rows_B), normalisation=augmenter.normalisation),
        varied=varied,
        images_at_a_time=images_at_a_time(store.image_shape),
        labels=_labels(store, split_folder=split_folder, rows_N=rows_N, seed=augmenter.seed) if options.knn else None,
    )


def _labels(store: ArrayStore, *, split_folder: Path, rows_N: Rows, seed: int) -> Labels | None:
    """Labelled rows of train and val; None when a class is missing on one of the two sides. Never of test.

    Of several findings the commonest one is asked for.
    """
    import numpy as np

    from medtrimix.training.watch import Labels

    bank_N, query_M = rows_N, split.rows_of_side(split_folder, "val")
    bank_N = _some(store.labelled(bank_N), _BANK, seed=seed)
    query_M = _some(store.labelled(query_M), _QUERIES, seed=seed)
    target_N, truth_M = store.targets(bank_N), store.targets(query_M)
    classes = len(store.classes)
    if store.several_findings:
        commonest = int(target_N.sum(axis=0).argmax())
        target_N, truth_M, classes = target_N[:, commonest], truth_M[:, commonest], 2
    if classes < 2 or any(len(np.unique(side)) < classes for side in (target_N, truth_M)):
        return None
    return Labels(bank_N=bank_N, target_N=target_N, query_M=query_M, truth_M=truth_M, classes=classes)


def _some(rows_N: Rows, number: int, *, seed: int) -> Rows:
    """At most so many of the rows, in random order."""
    import numpy as np

    return np.random.default_rng(seed_from(seed, "watch")).permutation(rows_N)[:number]
