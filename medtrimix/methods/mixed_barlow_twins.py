"""Mixed Barlow Twins: Bandara et al., "Guarding Barlow Twins against overfitting with mixed samples", 2312.02151."""

from __future__ import annotations

import torch
from torch import Tensor

from medtrimix.losses.barlow_twins import barlow_twins
from medtrimix.losses.mixed_barlow_twins import mixed_correlation
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.mixing import Mixing, draw_mixing
from medtrimix.methods.options import MixedBarlowTwinsOptions
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.projector import build_projector


class MixedBarlowTwins(Method):
    """Barlow Twins, and a mixture of both views whose correlations are the mixture of theirs. Three passes."""

    def __init__(self, options: MixedBarlowTwinsOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, passes_per_step=3)
        self.options = options
        self.projector = build_projector(options.projector, in_dim=encoder.dim)

    def loss(self, batch: ViewBatch) -> StepLoss:
        """Terms `barlow_twins` and `mixed`."""
        weight = self.options.off_diagonal_weight
        mixing = _mixing(batch)
        images = (batch.view1_BCHW, batch.view2_BCHW, _mixed(batch, mixing=mixing))
        z1_BE, z2_BE, mixed_BE = (self.projector(self.encoder(image_BCHW)) for image_BCHW in images)
        mixed = mixed_correlation(mixed_BE, z1_BE, z2_BE, share=mixing.share[0], permutation_B=mixing.row_KB[1])
        return sum_of(
            {
                "barlow_twins": barlow_twins(z1_BE, z2_BE, off_diagonal_weight=weight),
                "mixed": self.options.mixed_weight * weight * mixed,
            }
        )

    def mixtures(self, batch: ViewBatch) -> tuple[Tensor, Tensor]:
        """Of the first view with other images' second view."""
        mixing = _mixing(batch)
        return _mixed(batch, mixing=mixing), mixing.share[0].expand(len(batch.view1_BCHW))


def _mixing(batch: ViewBatch) -> Mixing:
    """One share per batch, uniform from 0 to 1, as published."""
    return draw_mixing(
        len(batch.view1_BCHW),
        alpha=1.0,
        lambda_per="batch",
        folded=False,
        seed=batch.seed,
        step=batch.step,
        device=batch.view1_BCHW.device,
    )


def _mixed(batch: ViewBatch, *, mixing: Mixing) -> Tensor:
    return torch.lerp(batch.view2_BCHW[mixing.row_KB[1]], batch.view1_BCHW, mixing.share[0].to(batch.view1_BCHW.dtype))
