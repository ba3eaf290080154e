"""TriMix: virtual embeddings and self-consistency, a documented reconstruction.

Bdair, Abdelhamid, Navab, Albarqouni, "Virtual embeddings and self-consistency for self-supervised learning",
arXiv 2206.06023. No code was published. The abstract names three ingredients: virtual embeddings from linear
interpolation of the data, extraction of the original embeddings from the virtual ones, and consistency between virtual
and actual embeddings. The rest is chosen here, each choice an option. The default:

    x_v = w * x1 + (1 - w) * x1[p]                  p a permutation, w = max(l, 1 - l), l ~ Beta(alpha, alpha)
    z1, z2, z_v = g(f(x1)), g(f(x2)), g(f(x_v))     three passes, each normalised with its own batch
    loss = base(z1, z2) + w_ext * extraction(z_v -> z2, z2[p]) + w_con * consistency(z_v, z1, z1[p])
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from medtrimix.losses.consistency import cosine_consistency, standardised_consistency
from medtrimix.losses.extraction import soft_assignment, unmix, weighted
from medtrimix.methods.blends import cutmix, mix_frequencies
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.mixing import Mixing, draw_mixing, mix, with_near_partners
from medtrimix.methods.options import TriMixOptions
from medtrimix.methods.teacher import Teacher
from medtrimix.methods.two_view import TwoView
from medtrimix.nets.batchnorm import running_statistics_kept
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.sharing import on_whole_batch

_TEACHER_MOMENTUM = 0.99
_WITHOUT_GRADIENT = 1 / 3


class _Actual(NamedTuple):
    """Embeddings of the unmixed images: what extraction looks for, and what consistency mixes."""

    features_BE: Tensor
    embedding_BE: Tensor
    target_BE: Tensor


class TriMix(Method):
    """A two-view base loss, plus two terms on mixtures of the first view.

    Attributes:
        base: the two-view method; encoder and projector are its own.
    """

    def __init__(self, options: TriMixOptions, *, base: TwoView) -> None:
        # A single clean view is a target alone, and some losses, like a teacher, send nothing back to their targets.
        self._second_learns = options.clean == "second" and base.symmetric
        clean = base.passes_per_step if options.clean == "both" else 1 if self._second_learns else _WITHOUT_GRADIENT
        passes = clean + (options.mixing != "features")
        super().__init__(encoder=base.encoder, passes_per_step=passes)  # the same network under two names
        self.options = options
        self.base = base
        self.extractor = _Extractor(base.dim) if options.extraction == "head" else None
        with_teacher = options.clean == "teacher"
        self.teacher = Teacher(base.encoder, base.projector, momentum=_TEACHER_MOMENTUM) if with_teacher else None

    def loss(self, batch: ViewBatch) -> StepLoss:
        """Terms `base`, `extraction` and `consistency`, each with its weight, without those that are switched off."""
        options, terms = self.options, {}
        if options.clean == "both":
            terms["base"], actual = self._of_both_views(batch)
        else:
            actual = self._of_second_view(batch.view2_BCHW)
        mixing = self.mixing(batch, near=actual.features_BE)
        # With a teacher the mixtures are all that the student sees: the running statistics must come from them.
        with running_statistics_kept(*([self.base] if self.teacher is None else [])):
            features_BE, mixing = self._virtual_features(batch, actual=actual, mixing=mixing)
            virtual_BE = self.base.projector(features_BE)
        ramp = 1.0 if batch.progress >= options.ramp_up else batch.progress / options.ramp_up
        if options.extraction != "none":
            terms["extraction"] = ramp * options.extraction_weight * self._extraction(virtual_BE, actual, mixing=mixing)
        if options.consistency_weight:
            on_features = options.consistency_on == "features"
            pair = (features_BE, actual.features_BE) if on_features else (virtual_BE, actual.embedding_BE)
            directions = on_features or self.base.compares == "directions"
            consistency = cosine_consistency if directions else standardised_consistency
            value = consistency(*pair, share=mixing.share, row_KB=mixing.row_KB)
            terms["consistency"] = ramp * options.consistency_weight * value
        return sum_of(terms)

    def after_step(self, progress: float) -> None:
        """Moves the teachers."""
        self.base.after_step(progress)
        if self.teacher is not None:
            self.teacher.follow(self.base.encoder, self.base.projector, progress=progress)

    def mixing(self, batch: ViewBatch, *, near: Tensor | None = None) -> Mixing:
        """The proportions and partners that `loss` uses for this batch; `near`: embeddings that tell who is near."""
        mixing = draw_mixing(
            len(batch.view1_BCHW),
            alpha=self.options.alpha,
            lambda_per=self.options.lambda_per,
            originals=self.options.originals,
            seed=batch.seed,
            step=batch.step,
            device=batch.view1_BCHW.device,
        )
        if self.options.partners == "near" and near is not None:
            return with_near_partners(mixing, embedding_BE=near, seed=batch.seed, step=batch.step)
        return mixing

    def mixtures(self, batch: ViewBatch) -> tuple[Tensor, Tensor] | None:
        """Virtual images, unless feature maps are mixed."""
        if self.options.mixing != "images":
            return None
        near = _looked_at(batch.view1_BCHW, encoder=self.encoder) if self.options.partners == "near" else None
        image_BCHW, mixing = self._virtual_images(batch, mixing=self.mixing(batch, near=near))
        return image_BCHW, mixing.share[0].expand(len(image_BCHW))

    def _of_both_views(self, batch: ViewBatch) -> tuple[Tensor, _Actual]:
        h1_BE = self.encoder(batch.view1_BCHW)
        z1_BE = self.base.projector(h1_BE)
        z2_BE = self.base.projector(self.encoder(batch.view2_BCHW))
        targets = self.base.targets(batch, z1_BE, z2_BE)
        return self.base.between(z1_BE, z2_BE, targets=targets), _Actual(h1_BE, z1_BE, targets[1])

    def _of_second_view(self, view_BCHW: Tensor) -> _Actual:
        encoder, projector = (self.encoder, self.base.projector) if self.teacher is None else self.teacher.copies
        with torch.set_grad_enabled(self._second_learns and torch.is_grad_enabled()):
            features_BE = encoder(view_BCHW)
            embedding_BE = projector(features_BE)
        return _Actual(features_BE, embedding_BE, embedding_BE)

    def _virtual_features(self, batch: ViewBatch, *, actual: _Actual, mixing: Mixing) -> tuple[Tensor, Mixing]:
        """The encoder's features of the mixtures, and their shares."""
        if self.options.mixing == "features":
            return mix(actual.features_BE, mixing=mixing), mixing
        if self.options.mixing == "hidden":
            stages = self.encoder.stages
            stage = stages[batch.step % len(stages)]
            mixed = partial(mix, mixing=mixing)
            handle = stage.register_forward_hook(
                lambda _stage, _given, maps: on_whole_batch(mixed, maps, total=len(batch.view1_BCHW))
            )
            try:
                return self.encoder(batch.view1_BCHW), mixing
            finally:
                handle.remove()
        image_BCHW, mixing = self._virtual_images(batch, mixing=mixing)
        return self.encoder(image_BCHW), mixing

    def _virtual_images(self, batch: ViewBatch, *, mixing: Mixing) -> tuple[Tensor, Mixing]:
        """Mixtures of the first view, and the shares that they have in the end."""
        view_BCHW = batch.view1_BCHW
        if self.options.blend == "cutmix":
            return cutmix(view_BCHW, mixing=mixing, seed=batch.seed, step=batch.step)
        if self.options.blend == "frequency":
            return mix_frequencies(view_BCHW, mixing=mixing, seed=batch.seed, step=batch.step), mixing
        return mix(view_BCHW, mixing=mixing), mixing

    def _extraction(self, virtual_BE: Tensor, actual: _Actual, *, mixing: Mixing) -> Tensor:
        share, row_KB, pair_loss, target_BE = mixing.share, mixing.row_KB, self.base.pair_loss, actual.target_BE
        if self.options.extraction == "unmix":
            known_BE = actual.embedding_BE
            return unmix(virtual_BE, known_BE, target_BE, share=share, row_KB=row_KB, pair_loss=pair_loss)
        if self.extractor is None:
            return soft_assignment(virtual_BE, target_BE, share=share, row_KB=row_KB, pair_loss=pair_loss)
        found = [self.extractor(virtual_BE, share=part) for part in share]
        return weighted(
            [pair_loss(z_BE, target_BE[row_B]) for z_BE, row_B in zip(found, row_KB, strict=True)], share=share
        )


@torch.no_grad()
def _looked_at(image_BCHW: Tensor, *, encoder: Encoder) -> Tensor:
    """Features in evaluation mode, which no other process has a share in: pictures are for the first one alone."""
    was = encoder.training
    try:
        features_BE: Tensor = encoder.eval()(image_BCHW)
        return features_BE
    finally:
        encoder.train(was)


class _Extractor(nn.Module):
    """Virtual embedding and an original's share -> that original's embedding: the virtual one plus a correction."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim + 1, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, virtual_BE: Tensor, *, share: Tensor) -> Tensor:
        """Embeddings (B, E); `share` has shape () or (B,)."""
        share_B1 = share.to(virtual_BE.dtype).reshape(-1, 1).expand(len(virtual_BE), 1)
        correction_BE: Tensor = self.net(torch.cat([virtual_BE, share_B1], dim=1))
        return virtual_BE + correction_BE
