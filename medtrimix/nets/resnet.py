"""MONAI's ResNets (He et al., CVPR 2016) in 2D and 3D."""

from __future__ import annotations

from typing import Any

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
    return Backbone(net, dim=net.in_planes, stages=("layer1", "layer2", "layer3", "layer4"))
