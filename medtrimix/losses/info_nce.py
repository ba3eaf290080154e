"""Contrast of queries with keys, where only the keys are candidates."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from medtrimix.losses.precision import full_precision


def n_pair(query_BE: Tensor, key_BE: Tensor, *, temperature: float) -> Tensor:
    """-log softmax of each query's similarity to its key among all keys of the batch, (B,).

    Sohn, "Improved deep metric learning with multi-class N-pair loss objective", NeurIPS 2016, with cosine similarity
    over a temperature: the N-pair form of Lee et al., "i-Mix", ICLR 2021.

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(query_BE, key_BE) as (query, key):
        logits_BB = normalize(query, dim=1) @ normalize(key, dim=1).T / temperature
        return cross_entropy(logits_BB, torch.arange(len(query), device=query.device), reduction="none")


def contrast_with_queue(query_BE: Tensor, key_BE: Tensor, queue_QE: Tensor, *, temperature: float) -> Tensor:
    """-log softmax of each query's similarity to its key against those to the queue, (B,).

    He et al., "Momentum contrast for unsupervised visual representation learning", CVPR 2020, equation 1.

    Args:
        query_BE: embeddings of any length.
        key_BE: those to find.
        queue_QE: keys of other images, unit vectors.
        temperature: of the softmax.

    Raises:
        ValueError: shapes differ, are not (B, E), or B < 2.
    """
    with full_precision(query_BE, key_BE) as (query, key):
        query, key = normalize(query, dim=1), normalize(key, dim=1)
        own_B = (query * key).sum(dim=1)
        others_BQ = query @ queue_QE.to(query.dtype).T
        logits = torch.cat([own_B[:, None], others_BQ], dim=1) / temperature
        return cross_entropy(logits, torch.zeros(len(query), dtype=torch.int64, device=query.device), reduction="none")
