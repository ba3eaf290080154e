"""Encoders: an image in, one embedding out."""

from __future__ import annotations

import os
import warnings
from typing import Any, Literal

from torch import Tensor, nn

from medtrimix.nets.options import EncoderOptions, EncoderSpec
from medtrimix.nets.sharing import in_shares

_BLOCKS: dict[str, tuple[str, list[int]]] = {
    "resnet10": ("basic", [1, 1, 1, 1]),
    "resnet18": ("basic", [2, 2, 2, 2]),
    "resnet34": ("basic", [3, 4, 6, 3]),
    "resnet50": ("bottleneck", [3, 4, 6, 3]),
}
_PUBLISHED_CHANNELS = (64, 128, 256, 512)


class Encoder(nn.Module):
    """A ResNet without its classifier: image_BCHW (or image_BCDHW), float -> embedding_BE.

    Where a training runs in several processes, they share each training pass: see `medtrimix.nets.sharing`.

    Attributes:
        spec: how it was built.
        dim: E, the length of an embedding.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.net = _resnet(spec)
        self.dim: int = self.net.in_planes

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Parts of the network, one after the other; the feature maps between them have the batch first."""
        return (self.net.layer1, self.net.layer2, self.net.layer3, self.net.layer4)

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


def _resnet(spec: EncoderSpec) -> Any:
    block, layers = _BLOCKS[spec.options.name]
    return _monai_resnet()(
        block=block,
        layers=layers,
        block_inplanes=[round(channels * spec.options.width) for channels in _PUBLISHED_CHANNELS],
        spatial_dims=spec.spatial_dims,
        n_input_channels=spec.channels,
        conv1_t_size=3 if spec.small_images else 7,
        conv1_t_stride=1 if spec.small_images else 2,
        shortcut_type="B",  # "A", MONAI's choice for ResNet-18, cuts the gradient of the shortcut
        bias_downsample=False,  # a bias before batch normalisation never learns
        feed_forward=False,
    )


def _monai_resnet() -> Any:
    """MONAI's class. Its import takes seconds, and warns about other packages, which is not our user's concern."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MONAI imports mlflow, which looks up an outside host
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.networks.nets.resnet import ResNet
    return ResNet
