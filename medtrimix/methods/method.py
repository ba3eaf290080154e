"""What a pretraining method is: an encoder, and a loss of two views of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from medtrimix.nets.encoder import Encoder


class ViewBatch(NamedTuple):
    """Two augmented views of the same images, normalised, float.

    A named tuple and not a frozen dataclass: Fabric and DDP look into the former and refuse the latter.

    Attributes:
        view1_BCHW, view2_BCHW: row i of both shows the same image.
        progress: part of the training that is behind us, 0 to 1.
        seed: of the training, the same in all of its processes.
        step: number of the batch; with `seed` it decides all randomness inside the loss.
    """

    view1_BCHW: Tensor
    view2_BCHW: Tensor
    progress: float
    seed: int
    step: int


class StepLoss(NamedTuple):
    """The loss of a batch, shape (), and the weighted terms that it is the sum of."""

    total: Tensor
    terms: dict[str, Tensor]


class Method(nn.Module, ABC):
    """A pretraining method: trains `encoder`; everything else in it is thrown away afterwards.

    Attributes:
        encoder: the network to keep.
        passes_per_step: how often each image of a batch goes through an encoder; equal budgets are counted in these.
            A pass without gradient, through a teacher, counts a third: a backward pass costs about two forward ones.
        sees: whether the second view has a say.
    """

    sees: ClassVar[Literal["both views", "first view"]] = "both views"

    def __init__(self, *, encoder: Encoder, passes_per_step: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.passes_per_step = passes_per_step

    @abstractmethod
    def loss(self, batch: ViewBatch) -> StepLoss:
        """The loss of a batch: the same for the same weights and the same batch."""

    def mixtures(self, batch: ViewBatch) -> tuple[Tensor, Tensor] | None:  # noqa: ARG002  (most methods mix nothing)
        """The mixtures of images that the method sees besides the views, and the image's own share of each, (B,)."""
        return None

    def after_step(self, progress: float) -> None:
        """Called after each optimiser step, for what isn't learnt by gradient: moving averages, queues.

        Such state is a buffer, or a parameter without gradient, so that checkpoints have it. `progress` is the part of
        the training that is behind us, 0 to 1.
        """

    def forward(self, batch: ViewBatch) -> StepLoss:
        """As `loss`; wrappers for devices, precision and several processes hook in here."""
        return self.loss(batch)


def sum_of(terms: dict[str, Tensor]) -> StepLoss:
    """A step's loss from its weighted terms."""
    return StepLoss(total=sum(terms.values(), start=next(iter(terms.values())).new_zeros(())), terms=terms)
