"""The loss of methods without negatives: a prediction points where the other view's embedding does."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cosine_similarity

from medtrimix.losses.precision import full_precision


def cosine_distance(prediction_BE: Tensor, target_BE: Tensor) -> Tensor:
    """2 - 2 cos(prediction, sg(target)) of each sample, (B,): the squared distance of unit vectors, 0 to 4.

    Grill et al., "Bootstrap your own latent", NeurIPS 2020, equation 2; and Chen and He, "Exploring simple Siamese
    representation learning", CVPR 2021, equation 1, times two plus two. sg stops the gradient; without it embeddings
    that are all alike would be the easiest way to agree.

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(prediction_BE, target_BE) as (prediction, target):
        return 2 - 2 * cosine_similarity(prediction, target.detach(), dim=1)
