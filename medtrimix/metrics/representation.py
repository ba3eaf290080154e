"""How healthy a representation is, without labels: whether it tells images apart, and views of one agree.

Every function takes embeddings `(N, E)` and returns one number. Lengths of embeddings count in `rankme` alone, as
published; the others look at directions, z / |z|, where an embedding of length 0 stays 0.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from medtrimix.errors import NumericalError
from medtrimix.metrics.definitions import Floats

RANKME_EPSILON = 1e-7
"""Added to each share, as Garrido et al. do for float32."""
_UNIFORMITY_T = 2.0
_SMALLEST = 1e-12


def rankme(embedding_NE: npt.ArrayLike) -> float:
    """Effective rank, about 1 (all on one line) to min(N, E): the exponential of the entropy of singular values.

    Garrido et al., "RankMe", ICML 2023, eq. 1 and 2: p_k = s_k / |s|_1 + 1e-7, exp(-sum of p_k log p_k), of the
    embeddings as they are, not centred. Embeddings that are all 0 have rank 0.

    Raises:
        ValueError: fewer than two embeddings, or other axes.
        NumericalError: NaN or infinity among them.
    """
    value_NE = _checked(embedding_NE)
    singular_K = np.linalg.svd(value_NE, compute_uv=False)
    total = float(singular_K.sum())
    if total < _SMALLEST:
        return 0.0
    share_K = singular_K / total + RANKME_EPSILON
    return math.exp(-float(np.sum(share_K * np.log(share_K))))


def feature_std(embedding_NE: npt.ArrayLike) -> float:
    """Standard deviation of each coordinate of z / |z| over the N, mean over coordinates: 0 when all are alike.

    Chen and He, SimSiam, CVPR 2021, figure 2: about 1 / sqrt(E) for directions spread evenly.

    Raises:
        ValueError, NumericalError: as `rankme`.
    """
    return float(directions(embedding_NE).std(axis=0).mean())


def alignment(first_NE: npt.ArrayLike, second_NE: npt.ArrayLike) -> float:
    """Mean of |u - v|^2 over the pairs, u and v the directions of two views of an image: 0 (the same) to 4.

    Wang and Isola, "Understanding contrastive representation learning", ICML 2020, section 4.1.2, alpha = 2.

    Raises:
        ValueError: as `rankme`, or the two differ in shape.
        NumericalError: as `rankme`.
    """
    first, second = directions(first_NE), directions(second_NE)
    if first.shape != second.shape:
        raise ValueError(f"expected two views of the same shape, got {first.shape} and {second.shape}")
    return float(np.square(first - second).sum(axis=1).mean())


def uniformity(embedding_NE: npt.ArrayLike) -> float:
    """Logarithm of the mean of exp(-2 |u - v|^2) over all pairs of different images: 0 (all alike) down to about -4.

    Wang and Isola 2020, section 4.1.2, t = 2.

    Raises:
        ValueError, NumericalError: as `rankme`.
    """
    unit_NE = directions(embedding_NE)
    number = len(unit_NE)
    similarity_NN = unit_NE @ unit_NE.T
    square_N = np.diag(similarity_NN)
    distance_NN = np.maximum(square_N[:, None] + square_N[None, :] - 2 * similarity_NN, 0)
    kernel_NN = np.exp(-_UNIFORMITY_T * distance_NN)
    off_diagonal = float(kernel_NN.sum() - np.trace(kernel_NN))
    return math.log(off_diagonal / (number * (number - 1)))


def directions(embedding_NE: npt.ArrayLike) -> Floats:
    """Each embedding divided by its length, float64; one of length 0 stays 0.

    Raises:
        ValueError, NumericalError: as `rankme`.
    """
    value_NE = _checked(embedding_NE)
    length_N1 = np.linalg.norm(value_NE, axis=1, keepdims=True)
    return np.asarray(value_NE / np.maximum(length_N1, _SMALLEST), dtype=np.float64)


def _checked(embedding_NE: npt.ArrayLike) -> Floats:
    value_NE = np.asarray(embedding_NE, dtype=np.float64)
    if value_NE.ndim != 2 or value_NE.shape[0] < 2 or value_NE.shape[1] < 1:
        raise ValueError(f"expected embeddings of shape (N, E) with N of 2 or more, got {value_NE.shape}")
    if not np.isfinite(value_NE).all():
        raise NumericalError("Some embeddings became NaN or infinite.", fix="Lower the learning rate.")
    return value_NE
