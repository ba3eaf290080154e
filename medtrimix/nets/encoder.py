"""Encoders: an image in, one embedding out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

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


class Encoder(nn.Module):
    """A network without its classifier: image_BCHW (or image_BCDHW), float -> embedding_BE.

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
        embedding_BE: Tensor = in_shares(self.net, image_BCHW) if self.training else self.net(image_BCHW)
        return embedding_BE


def build_encoder(options: EncoderOptions, *, channels: int, image_size: tuple[int, ...]) -> Encoder:
    """A fresh encoder, its weights drawn from torch's generator: call `torch.manual_seed` before.

    The arguments are those of `EncoderSpec`; three numbers in `image_size` make it one of volumes.
    """
    dims: Literal[2, 3] = 3 if len(image_size) == 3 else 2
    return Encoder(EncoderSpec(options=options, channels=channels, image_size=image_size, spatial_dims=dims))
