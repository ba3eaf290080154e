"""SimSiam: Chen and He, "Exploring simple Siamese representation learning", CVPR 2021."""

from __future__ import annotations

from torch import Tensor, nn

from medtrimix.losses.prediction import cosine_distance
from medtrimix.methods.options import SimSiamOptions
from medtrimix.methods.two_view import TwoView
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.options import ProjectorOptions
from medtrimix.nets.projector import build_projector


class SimSiam(TwoView):
    """A predictor maps each view's embedding to the other's, which gets no gradient.

    As published the projector ends with batch normalisation without scale and shift, and the predictor with a linear
    layer, which has no bias here. The loss is twice the published one plus two.
    """

    term = "simsiam"
    compares = "directions"
    symmetric = False

    def __init__(self, options: SimSiamOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, projector=options.projector)
        self.projector.append(nn.BatchNorm1d(self.dim, affine=False))
        bottleneck = ProjectorOptions(hidden_dim=options.predictor_dim, dim=self.dim)
        self.predictor = build_projector(bottleneck, in_dim=self.dim)

    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """Distance of each prediction, (B,)."""
        return cosine_distance(self.predictor(z_BE), target_BE)
