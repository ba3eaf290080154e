"""SimCLR: Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020."""

from __future__ import annotations

from torch import Tensor

from medtrimix.losses.nt_xent import nt_xent_per_sample
from medtrimix.methods.options import SimCLROptions
from medtrimix.methods.two_view import TwoView
from medtrimix.nets.encoder import Encoder


class SimCLR(TwoView):
    """NT-Xent between two views: two views of an image attract each other, all other images repel."""

    term = "nt_xent"
    compares = "directions"
    symmetric = True

    def __init__(self, options: SimCLROptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, projector=options.projector)
        self.temperature = options.temperature

    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """NT-Xent of each pair, (B,)."""
        return nt_xent_per_sample(z_BE, target_BE, temperature=self.temperature)
