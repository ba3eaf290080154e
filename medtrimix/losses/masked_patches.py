"""The loss of masked autoencoders: hidden patches are predicted, seen ones don't count."""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = 1e-6


def masked_patches(prediction_BTP: Tensor, patch_BTP: Tensor, *, masked_BT: Tensor, normalised: bool) -> Tensor:
    """Mean squared error over the pixels of masked patches, ().

    He et al., "Masked autoencoders are scalable vision learners", CVPR 2022, section 3. `normalised`: each patch is
    first standardised with its own mean and its own (unbiased) variance plus 1e-6, as in the published code's
    `norm_pix_loss`. In float32 at least, with autocast off.

    Raises:
        ValueError: predictions and patches are not of one shape (B, T, P), the mask is not bool (B, T), a patch has
            fewer than two numbers, or nothing is masked.
    """
    shape = tuple(patch_BTP.shape)
    if prediction_BTP.shape != patch_BTP.shape or len(shape) != 3 or shape[2] < 2:
        raise ValueError(f"predictions and patches must have one shape (B, T, P), P > 1; got {shape} and others")
    if masked_BT.dtype != torch.bool or tuple(masked_BT.shape) != shape[:2] or not masked_BT.any():
        raise ValueError(f"the mask must be bool, of shape {shape[:2]}, and mask something")
    with torch.autocast(device_type=patch_BTP.device.type, enabled=False):
        precision = torch.promote_types(prediction_BTP.dtype, torch.float32)
        target_BTP = patch_BTP.detach().to(precision)
        if normalised:
            variance_BT1, mean_BT1 = torch.var_mean(target_BTP, dim=2, keepdim=True)
            target_BTP = (target_BTP - mean_BT1) / (variance_BT1 + _EPSILON).sqrt()
        error_BT = (prediction_BTP.to(precision) - target_BTP).square().mean(dim=2)
        return error_BT[masked_BT].mean()
