"""Barlow Twins: Zbontar et al., "Barlow Twins: self-supervised learning via redundancy reduction", ICML 2021."""

from __future__ import annotations

from medtrimix.losses.barlow_twins import barlow_twins
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.options import BarlowTwinsOptions
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.projector import build_projector


class BarlowTwins(Method):
    """Cross-correlation of two views towards the identity. Each view is a pass of its own."""

    def __init__(self, options: BarlowTwinsOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, passes_per_step=options.passes_per_step)
        self.off_diagonal_weight = options.off_diagonal_weight
        self.projector = build_projector(options.projector, in_dim=encoder.dim)

    def loss(self, batch: ViewBatch) -> StepLoss:
        """One term, `barlow_twins`."""
        z1_BE = self.projector(self.encoder(batch.view1_BCHW))
        z2_BE = self.projector(self.encoder(batch.view2_BCHW))
        return sum_of({"barlow_twins": barlow_twins(z1_BE, z2_BE, off_diagonal_weight=self.off_diagonal_weight)})
