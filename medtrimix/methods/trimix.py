"""TriMix: virtual embeddings and self-consistency, a documented reconstruction.

Bdair, Abdelhamid, Navab, Albarqouni, "Virtual embeddings and self-consistency for self-supervised learning",
arXiv 2206.06023. No code was published. The abstract names three ingredients: virtual embeddings from linear
interpolation of the data, extraction of the original embeddings from the virtual ones, and consistency between virtual
and actual embeddings. The rest is chosen here, each choice an option:

    x_v = w * x1 + (1 - w) * x1[p]                  p a permutation, w = max(l, 1 - l), l ~ Beta(alpha, alpha)
    z1, z2, z_v = g(f(x1)), g(f(x2)), g(f(x_v))     three passes, each normalised with its own batch
    loss = base(z1, z2) + w_ext * extraction(z_v -> z2, z2[p]) + w_con * consistency(z_v, z1, z1[p])
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from medtrimix.losses.barlow_twins import barlow_twins
from medtrimix.losses.consistency import cosine_consistency, standardised_consistency
from medtrimix.losses.extraction import PairLoss, soft_assignment, unmix
from medtrimix.losses.nt_xent import nt_xent_per_sample
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.mixing import Mixing, draw_mixing, mix
from medtrimix.methods.options import TriMixOptions
from medtrimix.nets.batchnorm import running_statistics_kept
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.projector import build_projector


class TriMix(Method):
    """A two-view base loss, plus two terms on mixtures of the first view."""

    def __init__(self, options: TriMixOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, passes_per_step=options.passes_per_step)
        self.options = options
        self.projector = build_projector(options.projector, in_dim=encoder.dim)

    def loss(self, batch: ViewBatch) -> StepLoss:
        """Terms `base`, `extraction` (unless it is `none`) and `consistency`, each with its weight."""
        mixing = self.mixing(batch)
        h1_BE = self.encoder(batch.view1_BCHW)
        z1_BE = self.projector(h1_BE)
        z2_BE = self.projector(self.encoder(batch.view2_BCHW))
        with running_statistics_kept(self.encoder, self.projector):
            virtual_BE = self.projector(self._virtual_features(batch.view1_BCHW, h1_BE=h1_BE, mixing=mixing))
        ramp = _ramp(batch.progress, ramp_up=self.options.ramp_up)
        terms = {"base": self._pair_loss()(z1_BE, z2_BE).mean()}
        if self.options.extraction != "none":
            extraction = self._extraction(virtual_BE, z1_BE, z2_BE=z2_BE, mixing=mixing)
            terms["extraction"] = ramp * self.options.extraction_weight * extraction
        consistency = self._consistency(virtual_BE, z1_BE, mixing=mixing)
        terms["consistency"] = ramp * self.options.consistency_weight * consistency
        return sum_of(terms)

    def mixing(self, batch: ViewBatch) -> Mixing:
        """The proportions and partners that `loss` uses for this batch."""
        return draw_mixing(
            len(batch.view1_BCHW),
            alpha=self.options.alpha,
            lambda_per=self.options.lambda_per,
            seed=batch.seed,
            step=batch.step,
            device=batch.view1_BCHW.device,
        )

    def _virtual_features(self, view_BCHW: Tensor, *, h1_BE: Tensor, mixing: Mixing) -> Tensor:
        if self.options.mixing == "features":
            return mix(h1_BE, mixing=mixing)
        features_BE: Tensor = self.encoder(mix(view_BCHW, mixing=mixing))
        return features_BE

    def _pair_loss(self) -> PairLoss:
        if self.options.base == "simclr":
            return partial(nt_xent_per_sample, temperature=self.options.temperature)
        return partial(barlow_twins, off_diagonal_weight=self.options.off_diagonal_weight)

    def _extraction(self, virtual_BE: Tensor, z1_BE: Tensor, *, z2_BE: Tensor, mixing: Mixing) -> Tensor:
        weight, permutation_B, pair_loss = mixing.weight, mixing.permutation_B, self._pair_loss()
        if self.options.extraction == "soft_assignment":
            return soft_assignment(virtual_BE, z2_BE, weight=weight, permutation_B=permutation_B, pair_loss=pair_loss)
        return unmix(virtual_BE, z1_BE, z2_BE, weight=weight, permutation_B=permutation_B, pair_loss=pair_loss)

    def _consistency(self, virtual_BE: Tensor, z1_BE: Tensor, *, mixing: Mixing) -> Tensor:
        consistency = cosine_consistency if self.options.base == "simclr" else standardised_consistency
        return consistency(virtual_BE, z1_BE, weight=mixing.weight, permutation_B=mixing.permutation_B)


def _ramp(progress: float, *, ramp_up: float) -> float:
    """0 at the start, 1 from the part `ramp_up` of the training on."""
    return 1.0 if progress >= ramp_up else progress / ramp_up
