"""What the nearest labelled neighbours say: a look at a representation that trains nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.definitions import Floats, Ints
from medtrimix.metrics.representation import directions

NEIGHBOURS = 20
TEMPERATURE = 0.07


def knn_probability(
    bank_NE: npt.ArrayLike,
    target_N: Ints,
    query_ME: npt.ArrayLike,
    *,
    classes: int,
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> Floats:
    """Share of each class among the nearest of the bank, weighted by exp(cosine / temperature): (M, classes).

    Wu et al., "Unsupervised feature learning via non-parametric instance discrimination", CVPR 2018, section 3.4, with
    their temperature; 20 neighbours as in DINO (Caron et al., ICCV 2021). A bank with fewer is used whole.

    Args:
        bank_NE: labelled embeddings.
        target_N: their classes, from 0.
        query_ME: embeddings to classify.
        classes: K.
        neighbours: how many vote.
        temperature: of their weights.

    Raises:
        ValueError: shapes that don't fit, classes outside 0 to K - 1, NaN or infinity among the embeddings.
    """
    bank, query = directions(bank_NE), directions(query_ME)
    target = np.asarray(target_N)
    if bank.shape[1] != query.shape[1] or target.shape != (len(bank),):
        raise ValueError(f"bank {bank.shape}, its classes {target.shape} and queries {query.shape} do not fit together")
    if neighbours < 1 or not temperature > 0 or target.min() < 0 or target.max() >= classes:
        raise ValueError(f"expected neighbours and temperature above 0, and classes from 0 to {classes - 1}")
    similarity_MN = query @ bank.T
    near_MK = np.argsort(-similarity_MN, axis=1, kind="stable")[:, :neighbours]
    cosine_MK = np.take_along_axis(similarity_MN, near_MK, axis=1)
    weight_MK = np.exp((cosine_MK - cosine_MK[:, :1]) / temperature)  # a common factor, which the share divides out
    vote_MC = np.einsum("mk,mkc->mc", weight_MK, np.eye(classes)[target[near_MK]])
    return np.asarray(vote_MC / vote_MC.sum(axis=1, keepdims=True), dtype=np.float64)
