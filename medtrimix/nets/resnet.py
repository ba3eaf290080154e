"""MONAI's ResNets (He et al., CVPR 2016) in 2D and 3D.

Their shortcuts have strided 1x1 convolutions, whose gradients corrupt memory in torch 2.13 on CPUs (oneDNN): with few
channels in channels_last order, by several threads in batches of 3 or 5 images already with 8. So the positions that
a stride leaves are taken first, and the convolution has none: the same numbers and the same weights.
"""

from __future__ import annotations

from types import EllipsisType
from typing import Any

from torch import Tensor, nn

from medtrimix.nets.backbone import Backbone, quiet_monai
from medtrimix.nets.options import EncoderSpec

_BLOCKS: dict[str, tuple[str, list[int]]] = {
    "resnet10": ("basic", [1, 1, 1, 1]),
    "resnet18": ("basic", [2, 2, 2, 2]),
    "resnet34": ("basic", [3, 4, 6, 3]),
    "resnet50": ("bottleneck", [3, 4, 6, 3]),
}
_PUBLISHED_CHANNELS = (64, 128, 256, 512)


def resnet(spec: EncoderSpec) -> Backbone:
    """The embedding is the mean over positions of the last feature map."""
    with quiet_monai():
        from monai.networks.nets.resnet import ResNet
    block, layers = _BLOCKS[spec.options.name]
    kernel: Any = spec.stem_kernel  # MONAI's annotation knows tuples of one
    net = ResNet(
        block=block,
        layers=layers,
        block_inplanes=[round(channels * spec.options.width) for channels in _PUBLISHED_CHANNELS],
        spatial_dims=spec.spatial_dims,
        n_input_channels=spec.channels,
        conv1_t_size=kernel,
        conv1_t_stride=1 if spec.small_images else 2,
        shortcut_type="B",  # "A", MONAI's choice for ResNet-18, cuts the gradient of the shortcut
        bias_downsample=False,  # a bias before batch normalisation never learns
        feed_forward=False,
    )
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and set(layer.kernel_size) == {1} and set(layer.stride) != {1}:
            layer.register_forward_pre_hook(_Positions(layer.stride))
            layer.stride = (1,) * len(layer.stride)
    return Backbone(net, dim=net.in_planes, stages=("layer1", "layer2", "layer3", "layer4"))


class _Positions:
    """Before a convolution: the positions that its stride leaves."""

    def __init__(self, stride: tuple[int, ...]) -> None:
        self._taken: tuple[EllipsisType | slice, ...] = (..., *(slice(None, None, step) for step in stride))

    def __call__(self, _layer: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        return (given[0][self._taken],)
