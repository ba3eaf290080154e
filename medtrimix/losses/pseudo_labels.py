"""Predictions as labels: which ones are believed, and what is asked of the network then.

A pseudo label is the most probable class of a prediction. It is a target and gets no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

_SMALLEST = 1e-12


def is_confident(probability_BK: Tensor, *, threshold_B: Tensor | float) -> Tensor:
    """Whether the most probable class has at least the threshold's probability, bool, shape (B,)."""
    confident_B: Tensor = probability_BK.detach().max(dim=1).values >= threshold_B
    return confident_B


def pseudo_label_loss(logit_BK: Tensor, probability_BK: Tensor, *, counts_B: Tensor) -> Tensor:
    """Mean over all B images of the cross-entropy with their pseudo labels, 0 for those that don't count.

    Sohn et al., "FixMatch", NeurIPS 2020, equation 4, where `logit_BK` are of strong views and `probability_BK` of weak
    ones; Lee, "Pseudo-label", ICML workshop 2013, equation 15, where both are of the same views and all count.

    Args:
        logit_BK: of the views that are learnt from.
        probability_BK: predictions, each row a distribution.
        counts_B: bool.

    Raises:
        ValueError: shapes that don't fit together.
    """
    _check(logit_BK, probability_BK)
    if counts_B.shape != logit_BK.shape[:1]:
        raise ValueError(f"expected counts of shape {tuple(logit_BK.shape[:1])}; got {tuple(counts_B.shape)}")
    wide_BK = logit_BK.to(torch.promote_types(logit_BK.dtype, torch.float32))
    loss_B = cross_entropy(wide_BK, probability_BK.detach().argmax(dim=1), reduction="none")
    return (loss_B * counts_B).mean()


def aligned(probability_BK: Tensor, *, wanted_K: Tensor, seen_K: Tensor) -> Tensor:
    """Predictions times wanted / seen, each row summing to one again.

    Distribution alignment: Berthelot et al., "ReMixMatch", ICLR 2020, section 3.1.

    Args:
        probability_BK: predictions.
        wanted_K: how often each class should be predicted.
        seen_K: how often it was lately, on average.

    Raises:
        ValueError: shapes that don't fit together.
    """
    if wanted_K.shape != seen_K.shape or wanted_K.shape != probability_BK.shape[1:]:
        raise ValueError(
            f"expected {probability_BK.shape[1]} frequencies; got {tuple(wanted_K.shape)} and {tuple(seen_K.shape)}"
        )
    odds_BK = probability_BK * (wanted_K / seen_K.clamp_min(_SMALLEST))
    return odds_BK / odds_BK.sum(dim=1, keepdim=True).clamp_min(_SMALLEST)


def curriculum_thresholds(learnt_K: Tensor, *, undecided: int, threshold: float) -> Tensor:
    """The threshold of each class, shape (K,): lower for classes of which less has been learnt.

    Zhang et al., "FlexMatch", NeurIPS 2021, sections 3.1 to 3.3. With sigma the number of images that were last
    predicted as the class with the threshold's probability, beta = sigma / max(largest sigma, number of undecided
    images), and T = threshold * beta / (2 - beta).

    Args:
        learnt_K: sigma, whole numbers.
        undecided: images that no class can count yet.
        threshold: of a class that is learnt as well as any.

    Raises:
        ValueError: negative counts, or nothing to count.
    """
    largest = max(int(learnt_K.max()), undecided)
    if int(learnt_K.min()) < 0 or undecided < 0 or largest == 0:
        raise ValueError(f"expected counts of images; got {learnt_K.tolist()} and {undecided} undecided")
    beta_K = learnt_K / largest
    return threshold * beta_K / (2 - beta_K)


def _check(logit_BK: Tensor, probability_BK: Tensor) -> None:
    if logit_BK.ndim != 2 or logit_BK.shape != probability_BK.shape:
        raise ValueError(
            f"expected logits and probabilities of one shape (B, K); got {tuple(logit_BK.shape)} and "
            f"{tuple(probability_BK.shape)}"
        )
