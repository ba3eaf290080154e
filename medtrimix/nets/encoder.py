"""Encoders: an image in, one embedding out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from medtrimix.nets.backbone import Backbone
from medtrimix.nets.densenet import densenet121
from medtrimix.nets.efficientnet import efficientnet_b0
from medtrimix.nets.options import EncoderOptions, EncoderSpec
from medtrimix.nets.resnet import resnet
from medtrimix.nets.sharing import in_shares
from medtrimix.nets.vit import vit

BACKBONES: dict[str, Callable[[EncoderSpec], Backbone]] = {
    "resnet10": resnet,
    "resnet18": resnet,
    "resnet34": resnet,
    "resnet50": resnet,
    "densenet121": densenet121,
    "efficientnet_b0": efficientnet_b0,
    "vit": vit,
}
"""All encoders. To add one: its name in `options.py`, its file, and a line here."""

THIN_IMAGE_PX = 16
"""Pictures with a side of up to this size are embedded in float32 on a CPU, see `bf16_is_right`."""


def bf16_is_right(image_BCHW: Tensor) -> bool:
    """Whether convolutions of such images may run in bfloat16; elsewhere the encoder stays in float32.

    On a CPU torch 2.13 (oneDNN, AVX512-BF16) leaves parts of a bfloat16 convolution's weight gradient unwritten: they
    hold whatever was in memory, 1e36 and NaN included. Seen in both memory orders, each time with float32 right: 3x3x3
    on maps of two slices, which a ResNet reaches with 64 voxels a side; strided 3x3x3 and 3x3, and 5x5 on maps of one
    pixel, which pictures of up to 16 pixels can reach; 7x7x7 on few slices. The rule is wider than what was seen:
    unwritten memory is right by chance now and then.
    """
    if image_BCHW.device.type != "cpu":
        return True
    return image_BCHW.ndim == 4 and min(image_BCHW.shape[2:]) > THIN_IMAGE_PX


class Encoder(nn.Module):
    """A network without its classifier: image_BCHW (or image_BCDHW), float -> embedding_BE.

    Under autocast it runs in bfloat16, except where `bf16_is_right` says no.

    Where a training runs in several processes, they share each training pass: see `medtrimix.nets.sharing`.

    Attributes:
        spec: how it was built.
        net: the network itself.
        dim: E, the length of an embedding.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.net, self.dim, self._stages = BACKBONES[spec.options.name](spec)

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Four modules, one after the other; the feature maps that they put out have the batch first."""
        return tuple(self.net.get_submodule(name) for name in self._stages)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Embeddings, shape (B, dim): the mean over positions of the last feature map."""
        right = bf16_is_right(image_BCHW)
        if image_BCHW.dtype == torch.bfloat16 and not right:
            image_BCHW = image_BCHW.float()  # Fabric hands over its inputs in the precision of the training
        wanted = torch.is_autocast_enabled(image_BCHW.device.type)
        with torch.autocast(image_BCHW.device.type, enabled=wanted and right):
            embedding_BE: Tensor = in_shares(self.net, image_BCHW) if self.training else self.net(image_BCHW)
        return embedding_BE


def build_encoder(options: EncoderOptions, *, channels: int, image_size: tuple[int, ...]) -> Encoder:
    """A fresh encoder, its weights drawn from torch's generator: call `torch.manual_seed` before.

    The arguments are those of `EncoderSpec`; three numbers in `image_size` make it one of volumes.
    """
    dims: Literal[2, 3] = 3 if len(image_size) == 3 else 2
    return Encoder(EncoderSpec(options=options, channels=channels, image_size=image_size, spatial_dims=dims))
