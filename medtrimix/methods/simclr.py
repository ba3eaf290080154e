"""SimCLR: Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020."""

from __future__ import annotations

from medtrimix.losses.nt_xent import nt_xent
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.options import SimCLROptions
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.projector import build_projector


class SimCLR(Method):
    """NT-Xent between two views. Each view is a pass of its own, with its own batch statistics."""

    def __init__(self, options: SimCLROptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, passes_per_step=options.passes_per_step)
        self.temperature = options.temperature
        self.projector = build_projector(options.projector, in_dim=encoder.dim)

    def loss(self, batch: ViewBatch) -> StepLoss:
        """One term, `nt_xent`."""
        z1_BE = self.projector(self.encoder(batch.view1_BCHW))
        z2_BE = self.projector(self.encoder(batch.view2_BCHW))
        return sum_of({"nt_xent": nt_xent(z1_BE, z2_BE, temperature=self.temperature)})
