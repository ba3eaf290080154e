"""Barlow Twins: Zbontar et al., "Barlow Twins: self-supervised learning via redundancy reduction", ICML 2021."""

from __future__ import annotations

from torch import Tensor

from medtrimix.losses.barlow_twins import barlow_twins
from medtrimix.methods.options import BarlowTwinsOptions
from medtrimix.methods.two_view import TwoView
from medtrimix.nets.encoder import Encoder


class BarlowTwins(TwoView):
    """Cross-correlation of two views towards the identity."""

    term = "barlow_twins"
    compares = "coordinates"
    symmetric = True

    def __init__(self, options: BarlowTwinsOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, projector=options.projector)
        self.off_diagonal_weight = options.off_diagonal_weight

    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """The loss of the batch, ()."""
        return barlow_twins(z_BE, target_BE, off_diagonal_weight=self.off_diagonal_weight)
