"""i-Mix: Lee et al., "i-Mix: a domain-agnostic strategy for contrastive representation learning", ICLR 2021."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from medtrimix.losses.extraction import soft_assignment
from medtrimix.losses.info_nce import n_pair
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.mixing import Mixing, draw_mixing, mix
from medtrimix.methods.options import IMixOptions
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.projector import build_projector


class IMix(Method):
    """A mixture of first views finds the second views of both originals among all (N-pair form).

    Each sample has a share of its own, the larger of the two is the image's, as in the published code (`mixup` in
    `builder.py`). Only mixtures are queries, and only second views are candidates.
    """

    def __init__(self, options: IMixOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, passes_per_step=2)
        self.options = options
        self.projector = build_projector(options.projector, in_dim=encoder.dim)

    def loss(self, batch: ViewBatch) -> StepLoss:
        """One term, `i_mix`."""
        mixing = self._mixing(batch)
        virtual_BE = self.projector(self.encoder(mix(batch.view1_BCHW, mixing=mixing)))
        key_BE = self.projector(self.encoder(batch.view2_BCHW))
        pair_loss = partial(n_pair, temperature=self.options.temperature)
        loss = soft_assignment(virtual_BE, key_BE, share=mixing.share, row_KB=mixing.row_KB, pair_loss=pair_loss)
        return sum_of({"i_mix": loss})

    def mixtures(self, batch: ViewBatch) -> tuple[Tensor, Tensor]:
        """Of first views."""
        mixing = self._mixing(batch)
        return mix(batch.view1_BCHW, mixing=mixing), mixing.share[0]

    def _mixing(self, batch: ViewBatch) -> Mixing:
        return draw_mixing(
            len(batch.view1_BCHW),
            alpha=self.options.alpha,
            lambda_per="sample",
            seed=batch.seed,
            step=batch.step,
            device=batch.view1_BCHW.device,
        )
