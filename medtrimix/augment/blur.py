"""Gaussian blur."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d, pad

from medtrimix.augment.parameters import AugmentParameters


def blur(view_BCHW: Tensor, parameters: AugmentParameters) -> None:
    """Convolves the views with a positive `blur_sigma_B` with that Gaussian, in place; edges are mirrored.

    Each kernel ends at its own 3 deviations: at those of the widest, a view would depend on the others of its batch.
    Along a short axis it ends where mirroring does, at size - 1; an axis of one pixel is left alone.
    """
    chosen_b = parameters.blur_sigma_B.nonzero().flatten()
    if not len(chosen_b):
        return
    sizes = view_BCHW.shape[2:]
    sigma_b = parameters.blur_sigma_B[chosen_b] * max(sizes)
    widest = int(torch.ceil(3 * sigma_b.max()))
    radii = [min(widest, size - 1) for size in sizes]
    planes = view_BCHW[chosen_b].flatten(0, 1)[None]
    planes = pad(planes, [radius for radius in reversed(radii) for _end in range(2)], mode="reflect")
    convolve = conv2d if len(sizes) == 2 else conv3d
    for axis in range(len(sizes), 0, -1):  # a Gaussian is separable
        kernel_gk = _kernels(sigma_b, radius=radii[axis - 1]).repeat_interleave(view_BCHW.shape[1], dim=0)
        along = [-1 if dim == axis else 1 for dim in range(1 + len(sizes))]
        planes = convolve(planes, kernel_gk.view(len(kernel_gk), *along), groups=len(kernel_gk))
    view_BCHW.index_copy_(0, chosen_b, planes.view(len(chosen_b), *view_BCHW.shape[1:]))


def _kernels(sigma_b: Tensor, *, radius: int) -> Tensor:
    """Gaussians (b, 2 * radius + 1) that sum to 1, 0 beyond their own 3 deviations."""
    offset = torch.arange(-radius, radius + 1, device=sigma_b.device)
    exponent_bk = -0.5 * (offset / sigma_b[:, None]).square()
    return exponent_bk.masked_fill_(offset.abs() > torch.ceil(3 * sigma_b)[:, None], -torch.inf).softmax(dim=1)
