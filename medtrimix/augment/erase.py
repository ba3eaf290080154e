"""Random erasing: a box of a view without content."""

from __future__ import annotations

from torch import Tensor

from medtrimix.augment.parameters import AugmentParameters


def erase(view_BCHW: Tensor, parameters: AugmentParameters) -> None:
    """Fills the boxes of the normalised views that have one with 0, the mean of the training images, in place.

    Zhong et al., "Random erasing data augmentation", AAAI 2020, with one grey value for the box, not random ones: noise
    can be told from tissue at a glance.
    """
    for image in parameters.erase_half_BA.all(dim=1).nonzero().flatten().tolist():
        box = zip(
            parameters.erase_center_BA[image].tolist(),
            parameters.erase_half_BA[image].tolist(),
            view_BCHW.shape[:1:-1],
            strict=True,
        )
        within = [_pixels(center, half, size=size) for center, half, size in box]
        view_BCHW[(image, slice(None), *reversed(within))] = 0


def _pixels(center: float, half: float, *, size: int) -> slice:
    """The pixels from edge to edge, to the nearest; at least one."""
    first, end = (round((center + sign * half + 1) / 2 * size) for sign in (-1, 1))
    first = min(first, size - 1)
    return slice(first, max(end, first + 1))
