"""Looking at a network while it is trained, without touching it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from medtrimix.metrics.definitions import Floats, Ints, auc
from medtrimix.metrics.neighbours import knn_probability
from medtrimix.metrics.representation import alignment, feature_std, rankme, uniformity
from medtrimix.nets.batchnorm import batch_statistics
from medtrimix.training.health import Limits, Work, collapse, health_steps, knn_steps

Images = Callable[[Ints], Tensor]
"""Rows of the store to images as the encoder expects them, (B, C, H, W) or (B, C, D, H, W), on its device."""


@dataclass(frozen=True)
class Labels:
    """Labelled images for the neighbours' vote.

    Attributes:
        bank_N, target_N: rows of the training side and their classes.
        query_M, truth_M: rows of val and theirs.
        classes: K; every class is on both sides.
    """

    bank_N: Ints
    target_N: Ints
    query_M: Ints
    truth_M: Ints
    classes: int

    def auc_of(self, bank_NE: Floats, query_ME: Floats) -> float:
        """AUC on val, one-vs-rest macro, in 0 to 1."""
        probability_MK = knn_probability(bank_NE, self.target_N, query_ME, classes=self.classes)
        return float(auc(probability_MK, self.truth_M, np.ones((1, len(self.truth_M))))[0])


@dataclass(frozen=True)
class Probe:
    """What is looked at, fixed for a training.

    Attributes:
        rows_N: training images, as they are.
        pairs_N: those of them whose second view is compared with them.
        plain: rows to images without augmentation.
        varied: rows to a random view of them, always the same.
        images_at_a_time: how many go through the network at once.
        labels: None asks no neighbours.
    """

    rows_N: Ints
    pairs_N: Ints
    plain: Images
    varied: Images
    images_at_a_time: int
    labels: Labels | None


class Watcher:
    """Values of the curves `medtrimix.training.health.WATCHED`, at the steps that are due.

    The encoder is in evaluation mode, as it will be used. The projector normalises with the probe's own statistics, as
    in training. Weights, buffers, modes, gradients and random numbers are left as they were.

    Where running statistics lag far behind the weights, a healthy encoder gives all images the same features in
    evaluation mode. So features that look collapsed are looked at once more, the encoder normalising as in training.

    Args:
        encoder: images to features.
        projector: features to the embeddings that the loss compares; None where a method has none.
        probe: what to look at.
        work: decides when.
        autocast: makes the context of a forward pass.
        size_counts: see `Limits`.

    Attributes:
        limits: for the rule `collapse`.
        untrained: the values at the network's state at construction.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: nn.Module | None,
        probe: Probe,
        work: Work,
        autocast: Callable[[], AbstractContextManager[object]],
        size_counts: bool,
    ) -> None:
        self._encoder, self._projector, self._probe, self._autocast = encoder, projector, probe, autocast
        self._health_at = health_steps(work, passes=len(probe.rows_N) + len(probe.pairs_N))
        labels = probe.labels
        passes = len(labels.bank_N) + len(labels.query_M) if labels else 0
        self._knn_at = knn_steps(work, passes=passes, health=self._health_at) if labels else frozenset[int]()
        with self._untouched():
            feature_NE, embedding_NE = self._embedded()
            self.limits = Limits(
                features=feature_NE.shape[1],
                embeddings=0 if embedding_NE is None else embedding_NE.shape[1],
                images=len(probe.rows_N),
                size_counts=size_counts and embedding_NE is not None,
            )
            self._first_spread = _spread(embedding_NE)
            self._first_spread_as_trained = _spread(self._embedded_as_trained()[1]) if self.limits.size_counts else 1.0
            self.untrained = self._values(feature_NE, embedding_NE, neighbours=bool(self._knn_at))

    def after(self, step: int) -> Mapping[str, float]:
        """The values after this step; empty when it is not due."""
        if step not in self._health_at:
            return {}
        with self._untouched():
            return self._values(*self._embedded(), neighbours=step in self._knn_at)

    def collapsed(self, values: Mapping[str, float]) -> str:
        """What `collapse` says of the network, of which `after` has just told these values; "" when nothing is wrong.

        Of features that are alike in evaluation mode, and of what a projector makes of them, a second look decides.
        """
        if not collapse(values, limits=self.limits.of_encoder):
            return collapse(values, limits=self.limits)
        with self._untouched():
            seen = _spreads(*self._embedded_as_trained(), first=self._first_spread_as_trained)
        return collapse(seen, limits=self.limits)

    def _embedded(self) -> tuple[Floats, Floats | None]:
        """Features and, with a projector, embeddings of the probe."""
        feature_NE = self._features(self._probe.rows_N, self._probe.plain)
        if self._projector is None:
            return _array(feature_NE), None
        with batch_statistics(self._projector), self._autocast():
            return _array(feature_NE), _array(self._projector(feature_NE))

    def _embedded_as_trained(self) -> tuple[Floats, Floats | None]:
        """The same, with the encoder's batch normalisation as in training."""
        with batch_statistics(self._encoder):
            return self._embedded()

    def _values(self, feature_NE: Floats, embedding_NE: Floats | None, *, neighbours: bool) -> dict[str, float]:
        probe = self._probe
        varied_NE = _array(self._features(probe.pairs_N, probe.varied))
        values = _spreads(feature_NE, embedding_NE, first=self._first_spread)
        values["alignment"] = alignment(feature_NE[: len(varied_NE)], varied_NE)
        values["uniformity"] = uniformity(feature_NE)
        if neighbours and probe.labels is not None:
            bank_NE, query_ME = (
                _array(self._features(rows, probe.plain)) for rows in (probe.labels.bank_N, probe.labels.query_M)
            )
            values["knn_val_auc"] = probe.labels.auc_of(bank_NE, query_ME)
        return values

    def _features(self, rows_N: Ints, images: Images) -> Tensor:
        parts = np.array_split(rows_N, math.ceil(len(rows_N) / self._probe.images_at_a_time))  # no rest of one image
        with self._autocast():
            return torch.cat([self._encoder(images(part_B)).float() for part_B in parts])

    @contextmanager
    def _untouched(self) -> Iterator[None]:
        """Evaluation mode, without gradient, with random numbers of its own; afterwards all is as before."""
        networks = [self._encoder] if self._projector is None else [self._encoder, self._projector]
        modes = [(module, module.training) for network in networks for module in network.modules()]
        device = next(self._encoder.parameters()).device
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.inference_mode():
            try:
                for network in networks:
                    network.eval()
                yield
            finally:
                for module, was in modes:
                    module.training = was


def _array(value_NE: Tensor) -> Floats:
    return value_NE.double().cpu().numpy()


def _spreads(feature_NE: Floats, embedding_NE: Floats | None, *, first: float) -> dict[str, float]:
    """What `collapse` asks for; `first`: of the untrained network."""
    values = {"rankme": rankme(feature_NE), "feature_std": feature_std(feature_NE)}
    if embedding_NE is not None:
        values["projector_rankme"] = rankme(embedding_NE)
        values["projector_feature_std"] = feature_std(embedding_NE)
        values["projector_spread"] = _spread(embedding_NE) / max(first, 1e-12)
    return values


def _spread(embedding_NE: Floats | None) -> float:
    """Mean over coordinates of the standard deviation, in the embedding's own units; 0 without embeddings."""
    return 0.0 if embedding_NE is None else float(embedding_NE.std(axis=0).mean())
