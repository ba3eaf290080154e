"""VICReg: Bardes et al., "VICReg: variance-invariance-covariance regularization", ICLR 2022."""

from __future__ import annotations

from torch import Tensor

from medtrimix.losses.vicreg import vicreg
from medtrimix.methods.options import VICRegOptions
from medtrimix.methods.two_view import TwoView
from medtrimix.nets.encoder import Encoder


class VICReg(TwoView):
    """Two views agree; each dimension varies over the batch; dimensions don't repeat each other."""

    term = "vicreg"
    compares = "coordinates"
    symmetric = True

    def __init__(self, options: VICRegOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, projector=options.projector)
        self.options = options

    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """The loss of the batch, ()."""
        return vicreg(
            z_BE,
            target_BE,
            invariance_weight=self.options.invariance_weight,
            variance_weight=self.options.variance_weight,
            covariance_weight=self.options.covariance_weight,
        )
