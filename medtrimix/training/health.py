"""When a pretraining is looked at, and what of that is a collapse; imports no torch.

A loss that every image can satisfy with the same embedding ends in one of three ways, measured in docs/monitoring.md:
all embeddings point one way (no negatives), they lie on one line (no stop-gradient), or they shrink to a point (no
variance term). The encoder's features hide much of that behind the projector, so the rule asks the embeddings that the
loss compares first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field

from medtrimix.config.model import Config

WATCHED = (
    "rankme",
    "feature_std",
    "alignment",
    "uniformity",
    "projector_rankme",
    "projector_feature_std",
    "projector_spread",
    "knn_val_auc",
)
"""Names of the curves, in the order of the figures."""

UNTRAINED = "_untrained"
"""Ends the names of the same values before the first step."""

RANK_LIMIT = 3.0
DIRECTION_LIMIT = 0.15
SPREAD_LIMIT = 0.25
ENCODER_RANK_LIMIT = 2.0
ENCODER_DIRECTION_LIMIT = 0.05

_HEALTH_SHARE, _KNN_SHARE = 0.012, 0.008
"""Parts of the training's work that may go into looking."""
_PASSES_PER_TRAINED_IMAGE = 4
"""Images embedded in the time that training on one takes: forward, backward, augmentation, optimiser."""
_LOOKS = 20
"""At least so many over a training with long epochs."""


OnCollapse = Literal["warn", "fail"]


class WatchOptions(Config):
    """How a pretraining is watched; nothing of it changes a weight.

    Attributes:
        images: of the training side that are embedded to see whether the representation is healthy; 0 watches nothing.
        knn: whether labels of train and val, where there are any, are used for the curve `knn_val_auc`.
    """

    images: int = Field(default=512, ge=0)
    knn: bool = True


@dataclass(frozen=True)
class Limits:
    """What the rule needs to know besides the values.

    Attributes:
        features: length of the encoder's features.
        embeddings: length of the projector's output; 0 without one.
        images: embedded.
        size_counts: whether the loss sees the size of embeddings, so that shrinking is a collapse.
    """

    features: int
    embeddings: int
    images: int
    size_counts: bool

    @property
    def of_encoder(self) -> Limits:
        """The same for the encoder's features alone."""
        return replace(self, embeddings=0, size_counts=False)


def collapse(values: Mapping[str, float], *, limits: Limits) -> str:
    """What is wrong with these values of the curves, as a person reads it; "" when nothing is.

    Standard deviations are compared with 1 / sqrt(E), that of directions spread evenly. The rank's limit is lower for
    very short embeddings, and for very few images, which can't have a high one.
    """
    checks = [
        ("rankme", _rank_limit(ENCODER_RANK_LIMIT, limits.features, limits.images), "the encoder's features"),
        ("feature_std", ENCODER_DIRECTION_LIMIT / math.sqrt(limits.features), "the encoder's features"),
    ]
    if limits.embeddings:
        checks += [
            ("projector_rankme", _rank_limit(RANK_LIMIT, limits.embeddings, limits.images), "the projector's output"),
            ("projector_feature_std", DIRECTION_LIMIT / math.sqrt(limits.embeddings), "the projector's output"),
        ]
    if limits.size_counts:
        checks.append(("projector_spread", SPREAD_LIMIT, "the projector's output"))
    found = [
        f"{_MEANING[name.removeprefix('projector_')]} of {of} is {values[name]:.2g}, below {limit:.2g}"
        for name, limit, of in checks
        if values[name] < limit
    ]
    return "; ".join(found)


_MEANING = {
    "rankme": "the effective rank (RankMe)",
    "feature_std": "the spread of directions (feature std)",
    "spread": "the size, compared with the untrained network,",
}


def _rank_limit(limit: float, dims: int, images: int) -> float:
    return min(limit, 1 + 0.1 * (min(dims, images) - 1))


@dataclass(frozen=True)
class Work:
    """How much there is to do, in images through an encoder.

    Attributes:
        total_steps, steps_per_epoch: of the training.
        images_per_step: trained on in a step, every pass counted.
    """

    total_steps: int
    steps_per_epoch: int
    images_per_step: float


def health_steps(work: Work, *, passes: int) -> frozenset[int]:
    """Steps after which the representation is looked at, each of `passes` images embedded without gradient.

    The ends of the first two epochs and the last step, and between them as often as 1.2% of the training's work allows:
    every epoch, more often where epochs are long, less often where they are short. Decided by counts alone, so that a
    resumed training looks at the same moments.
    """
    edges = {work.steps_per_epoch - 1, 2 * work.steps_per_epoch - 1, work.total_steps - 1}
    between = range(_gap(work, passes=passes) - 1, work.total_steps, _gap(work, passes=passes))
    return frozenset(step for step in edges.union(between) if step < work.total_steps)


def knn_steps(work: Work, *, passes: int, health: frozenset[int]) -> frozenset[int]:
    """Those of `health` at which neighbours are asked too: the last, and as many as .8% of the work allows."""
    affordable = _KNN_SHARE * work.total_steps * work.images_per_step * _PASSES_PER_TRAINED_IMAGE / passes
    ordered = sorted(health)
    stride = math.ceil(len(ordered) / max(affordable, 1))
    return frozenset(ordered[::-1][::stride])


def _gap(work: Work, *, passes: int) -> int:
    """Steps from one look to the next; whole epochs where it is longer than one."""
    epoch = work.steps_per_epoch
    gap = math.ceil(passes / _PASSES_PER_TRAINED_IMAGE / (_HEALTH_SHARE * work.images_per_step))
    if gap > epoch:
        return math.ceil(gap / epoch) * epoch
    return max(gap, min(epoch, math.ceil(work.total_steps / _LOOKS)))
