"""Agreement of a classifier with a teacher on images without label."""

from __future__ import annotations

import torch
from torch import Tensor


def prediction_distance(logit_BK: Tensor, target_BK: Tensor) -> Tensor:
    """Mean over images and classes of the squared difference of probabilities, 0 to 2 / K; the target gets no gradient.

    Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017, section 2, with the mean over classes
    of their code (`softmax_mse_loss`). Unlike cross-entropy it is bounded: a teacher that is sure and wrong does little
    harm.

    Args:
        logit_BK: of the student.
        target_BK: probabilities of the teacher.

    Raises:
        ValueError: shapes that differ, or are not (B, K).
    """
    if logit_BK.ndim != 2 or logit_BK.shape != target_BK.shape:
        raise ValueError(
            f"expected logits and targets of one shape (B, K); got {tuple(logit_BK.shape)} and {tuple(target_BK.shape)}"
        )
    wide_BK = logit_BK.to(torch.promote_types(logit_BK.dtype, torch.float32))
    return (wide_BK.softmax(dim=1) - target_BK.detach()).square().mean()


def interpolated(value_B: Tensor, *, share_B: Tensor, partner_B: Tensor) -> Tensor:
    """Share * value + (1 - share) * the partner's value, row by row; of images as of predictions.

    Verma et al., "Interpolation consistency training for semi-supervised learning", IJCAI 2019, section 2 (Mix).

    Args:
        value_B: (B, ...).
        share_B: of each row, 0 to 1.
        partner_B: row of each row's partner.

    Raises:
        ValueError: another number of shares or partners than of rows.
    """
    if share_B.shape != value_B.shape[:1] or partner_B.shape != value_B.shape[:1]:
        raise ValueError(
            f"expected a share and a partner of each of {len(value_B)} rows; "
            f"got {tuple(share_B.shape)} and {tuple(partner_B.shape)}"
        )
    share = share_B.to(value_B.dtype).reshape(-1, *[1] * (value_B.ndim - 1))
    return share * value_B + (1 - share) * value_B[partner_B]
