"""Methods that compare two views of each image: a projector on the encoder, and a loss between embeddings.

They are rivals in their own right, and TriMix can take any of them as its base.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.teacher import Teacher
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.options import ProjectorOptions
from medtrimix.nets.projector import build_projector


class TwoView(Method):
    """Each view is a pass of its own, with its own batch statistics.

    Attributes:
        term: name of the loss in the curves.
        compares: what of an embedding counts, its direction or its standardised coordinates.
        symmetric: whether `pair_loss` treats both sides alike, so that once is enough; else targets get no gradient.
        dim: E, length of the embeddings that the loss sees.
        teacher: gives the embeddings to compare with; None: they are compared with each other.
    """

    term: ClassVar[str]
    compares: ClassVar[Literal["directions", "coordinates"]]
    symmetric: ClassVar[bool]

    def __init__(self, *, encoder: Encoder, projector: ProjectorOptions, teacher_momentum: float | None = None) -> None:
        super().__init__(encoder=encoder, passes_per_step=2 if teacher_momentum is None else 2 + 2 / 3)
        self.projector = build_projector(projector, in_dim=encoder.dim)
        self.dim = projector.dim
        self.teacher = None
        if teacher_momentum is not None:
            self.teacher = Teacher(encoder, self.projector, momentum=teacher_momentum)

    @abstractmethod
    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """How far embeddings are from what they should be alike to: (B,), or () where it exists for the batch only."""

    def targets(self, batch: ViewBatch, z1_BE: Tensor, z2_BE: Tensor) -> tuple[Tensor, Tensor]:
        """What embeddings of the other view are compared with: the teacher's, or these themselves."""
        if self.teacher is None:
            return z1_BE, z2_BE
        return self.teacher(batch.view1_BCHW), self.teacher(batch.view2_BCHW)

    def between(self, z1_BE: Tensor, z2_BE: Tensor, *, targets: tuple[Tensor, Tensor]) -> Tensor:
        """The method's loss, shape (): the mean of both directions."""
        forth = self.pair_loss(z1_BE, targets[1]).mean()
        return forth if self.symmetric else (forth + self.pair_loss(z2_BE, targets[0]).mean()) / 2

    def loss(self, batch: ViewBatch) -> StepLoss:
        """One term."""
        z1_BE = self.projector(self.encoder(batch.view1_BCHW))
        z2_BE = self.projector(self.encoder(batch.view2_BCHW))
        return sum_of({self.term: self.between(z1_BE, z2_BE, targets=self.targets(batch, z1_BE, z2_BE))})

    def after_step(self, progress: float) -> None:
        """Moves the teacher."""
        if self.teacher is not None:
            self.teacher.follow(self.encoder, self.projector, progress=progress)
