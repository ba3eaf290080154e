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
        ValueError: shapes that don't fit, classes outside 0 to K - 1.
        NumericalError: NaN or infinity among the embeddings.
    """
    bank, query = directions(bank_NE), directions(query_ME)
    target = np.asarray(target_N)
    if bank.shape[1] != query.shape[1] or target.shape != (len(bank),):
        raise ValueError(f"bank {bank.shape}, its classes {target.shape} and queries {query.shape} do not fit together")
    if neighbours < 1 or not temperature > 0 or target.min() < 0 or target.max() >= classes:
        raise ValueError(f"expected neighbours and temperature above 0, and classes from 0 to {classes - 1}")
    return vote(query @ bank.T, np.eye(classes)[target], neighbours=neighbours, temperature=temperature)


def cosine_similarity(bank_NE: npt.ArrayLike, query_ME: npt.ArrayLike) -> Floats:
    """Cosines of queries and bank, (M, N); 0 with a vector of length 0."""
    query = np.asarray(query_ME, dtype=np.float64)  # a single one will do, which `directions` refuses
    length_M1 = np.linalg.norm(query, axis=1, keepdims=True)
    return np.asarray((query / np.maximum(length_M1, np.finfo(np.float64).tiny)) @ directions(bank_NE).T)


def distance_similarity(bank_NE: npt.ArrayLike, query_ME: npt.ArrayLike) -> Floats:
    """Minus half the squared distance of queries and bank, in units of the bank's spread about its mean, (M, N).

    Of unit vectors this is the cosine minus 1, but for the unit: temperatures mean about the same for both.
    """
    bank, query = np.asarray(bank_NE, dtype=np.float64), np.asarray(query_ME, dtype=np.float64)
    centre_E = bank.mean(axis=0)
    bank, query = bank - centre_E, query - centre_E
    spread = max(float(np.square(bank).sum(axis=1).mean()), np.finfo(np.float64).tiny)
    lengths_MN = np.square(query).sum(axis=1)[:, None] + np.square(bank).sum(axis=1)
    return np.asarray((query @ bank.T - lengths_MN / 2) / spread, dtype=np.float64)


def vote(similarity_MN: Floats, say_NC: Floats, *, neighbours: int, temperature: float) -> Floats:
    """Share of each class in what the nearest say, weighted by exp(similarity / temperature): (M, C).

    Args:
        similarity_MN: of each query to each of the bank; equals are taken in the bank's order.
        say_NC: of each of the bank for each class; one 1 a row for plain votes.
        neighbours: how many vote.
        temperature: of their weights.
    """
    near_MK = np.argsort(-similarity_MN, axis=1, kind="stable")[:, :neighbours]
    near_similarity_MK = np.take_along_axis(similarity_MN, near_MK, axis=1)
    # The first is subtracted: a common factor, which the share divides out.
    weight_MK = np.exp((near_similarity_MK - near_similarity_MK[:, :1]) / temperature)
    vote_MC = np.einsum("mk,mkc->mc", weight_MK, say_NC[near_MK])
    return np.asarray(vote_MC / vote_MC.sum(axis=1, keepdims=True), dtype=np.float64)
