"""Gaussian blur."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d, pad

from medtrimix.augment.parameters import AugmentParameters


def blur(view_BCHW: Tensor, parameters: AugmentParameters) -> None:
    """Convolves the views with a positive `blur_sigma_B` with that Gaussian, in place; edges are mirrored.

    Each kernel ends at its own 3 deviations: at those of the widest, a view would depend on the others of its batch.
    """
    chosen_b = parameters.blur_sigma_B.nonzero().flatten()
    if not len(chosen_b):
        return
    sizes = view_BCHW.shape[2:]
    sigma_b = parameters.blur_sigma_B[chosen_b] * max(sizes)
    radius = min(int(torch.ceil(3 * sigma_b.max())), *(size - 1 for size in sizes))
    offset = torch.arange(-radius, radius + 1, device=view_BCHW.device)
    exponent_bk = -0.5 * (offset / sigma_b[:, None]).square()
    kernel_bk = exponent_bk.masked_fill_(offset.abs() > torch.ceil(3 * sigma_b)[:, None], -torch.inf).softmax(dim=1)
    planes = view_BCHW[chosen_b].flatten(0, 1)[None]
    kernel_gk = kernel_bk.repeat_interleave(view_BCHW.shape[1], dim=0)
    planes = pad(planes, (radius, radius) * len(sizes), mode="reflect")
    convolve = conv2d if len(sizes) == 2 else conv3d
    for axis in range(len(sizes), 0, -1):  # a Gaussian is separable
        along = [-1 if dim == axis else 1 for dim in range(1 + len(sizes))]
        planes = convolve(planes, kernel_gk.view(len(kernel_gk), *along), groups=len(kernel_gk))
    view_BCHW.index_copy_(0, chosen_b, planes.view(len(chosen_b), *view_BCHW.shape[1:]))
