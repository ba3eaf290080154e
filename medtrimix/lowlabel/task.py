"""What a learner is given and what it gives back; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from medtrimix.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

Rows: TypeAlias = npt.NDArray[np.int64]
Predict: TypeAlias = Callable[[Rows], npt.NDArray[np.float64]]
"""Rows of the store to `probability_NK`: float64, the columns in the order of the classes.

Every row sums to one, unless several of the classes can be present at once: then each is a probability of its own."""


class Augment(Protocol):
    """Random views for training, replayable: they depend on the step, the row and a seed that it holds."""

    def __call__(self, image_BCHW: Tensor, *, step: int, rows_B: Rows, view: int = 0) -> Tensor:
        """The uint8 images as augmented, normalised floats; other numbers of `view` are other views."""


@dataclass(frozen=True)
class Labelled:
    """Rows of the store and their classes, numbered from 0: (N,), or 0 and 1 for each of several findings: (N, L)."""

    row_N: Rows
    target_N: Rows

    def __post_init__(self) -> None:
        assert self.row_N.shape == self.target_N.shape[:1], (self.row_N.shape, self.target_N.shape)


@dataclass(frozen=True)
class Vision:
    """What a learner needs to train the network itself.

    Attributes:
        images: rows to their uint8 images (B, C, H, W) or volumes (B, C, D, H, W), on the device.
        augment: weak views, in which an image certainly still shows what it shows; see `Augment`.
        strong: strong views, for learners that ask for the same answer about them.
        normalise: uint8 images to the floats that the encoder expects, unchanged otherwise.
        encoder: makes the arm's encoder (`.dim`; float images -> embedding_BE), on the device, for the learner to
            change. Random weights come from torch's generator, which the learner has seeded.
        pretrained: whether its weights were learnt, which decides the learning rate.
        autocast: makes the context of each forward pass, for its precision.
        images_at_a_time: how many fit into memory when nothing is learnt from them.
    """

    images: Callable[[Rows], Tensor]
    augment: Augment
    strong: Augment
    normalise: Callable[[Tensor], Tensor]
    encoder: Callable[[], nn.Module]
    pretrained: bool
    autocast: Callable[[], AbstractContextManager[object]]
    images_at_a_time: int = 256


@dataclass(frozen=True)
class Task:
    """A classification task with few labels.

    Attributes:
        classes: K, or the number of findings.
        train: the label budget's rows, the only labels that are learnt from.
        unlabelled_N: the other rows of train, whose labels, if they have any, are nowhere in the task.
        val: rows for the recorded curve; nothing is chosen by them but by `early_stopping`.
        seed: of the classifier's weights and the order of the images.
        features: rows to the frozen encoder's embeddings (B, E).
        vision: for learners that train the network.
        several: whether an image can have several of the classes, or none (`metrics.findings`): then each is a
            question of its own, with two answers.
    """

    classes: int
    train: Labelled
    unlabelled_N: Rows
    val: Labelled
    seed: int
    features: Callable[[Rows], npt.NDArray[np.floating]]
    vision: Vision
    several: bool = False

    @property
    def questions(self) -> int:
        """Q: one, which class it is, or for each finding whether it is there."""
        return self.classes if self.several else 1

    @property
    def answers(self) -> int:
        """K: how many classes each question chooses from."""
        return 2 if self.several else self.classes

    def counts(self) -> npt.NDArray[np.int64]:
        """Labelled training images with each answer to each question, (Q, K).

        Raises:
            InputError: an answer has none, so that nothing can be learnt of it.
        """
        target_NQ = self.train.target_N.reshape(len(self.train.row_N), self.questions)
        count_QK = np.stack([np.bincount(target_N, minlength=self.answers) for target_N in target_NQ.T])
        if count_QK.min() == 0:
            numbers = "; ".join(", ".join(map(str, count_K)) for count_K in count_QK if count_K.min() == 0)
            kinds = "without and with a finding" if self.several else f"of the {self.classes} classes"
            raise InputError(
                f"The labelled training images are {numbers} {kinds}; a classifier needs at least one of each.",
                fix="Raise the label budget, or check the labels.",
            )
        return count_QK


@dataclass(frozen=True)
class Hooks:
    """How a learner talks while it works.

    Attributes:
        should_stop: asked at every step; true raises `Interrupted`.
        record: given the step and values of the curves now and then.
    """

    should_stop: Callable[[], bool]
    record: Callable[[int, Mapping[str, float]], None]
