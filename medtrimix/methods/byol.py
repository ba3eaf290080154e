"""BYOL: Grill et al., "Bootstrap your own latent: a new approach to self-supervised learning", NeurIPS 2020."""

from __future__ import annotations

from torch import Tensor

from medtrimix.losses.prediction import cosine_distance
from medtrimix.methods.options import BYOLOptions
from medtrimix.methods.two_view import TwoView
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.options import ProjectorOptions
from medtrimix.nets.projector import build_projector


class BYOL(TwoView):
    """A predictor maps each view's embedding to a teacher's of the other view.

    The loss is the mean of both directions, where the paper has their sum.
    """

    term = "byol"
    compares = "directions"
    symmetric = False

    def __init__(self, options: BYOLOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, projector=options.projector, teacher_momentum=options.momentum)
        hidden = ProjectorOptions(hidden_dim=options.projector.hidden_dim, dim=self.dim)
        self.predictor = build_projector(hidden, in_dim=self.dim)

    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """Distance of each prediction, (B,)."""
        return cosine_distance(self.predictor(z_BE), target_BE)
