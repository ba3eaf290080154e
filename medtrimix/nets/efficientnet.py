"""MONAI's EfficientNet-B0 (Tan and Le, "EfficientNet", ICML 2019) in 2D and 3D."""

from __future__ import annotations

from typing import Any

from torch import nn

from medtrimix.nets.backbone import Backbone, convolutions, quiet_monai
from medtrimix.nets.options import EncoderSpec

_PUBLISHED_BLOCKS = (  # of B0: repeats, kernel, stride, expansion, channels in and out, squeeze
    "r1_k3_s11_e1_i32_o16_se0.25",
    "r2_k3_s22_e6_i16_o24_se0.25",
    "r2_k5_s22_e6_i24_o40_se0.25",
    "r3_k3_s22_e6_i40_o80_se0.25",
    "r3_k5_s11_e6_i80_o112_se0.25",
    "r4_k5_s22_e6_i112_o192_se0.25",
    "r1_k3_s11_e6_i192_o320_se0.25",
)


def efficientnet_b0(spec: EncoderSpec) -> Backbone:
    """The embedding is the mean over positions of the last feature map, 1,280 numbers at width 1.

    Channels are multiples of 8, as published. What differs: no dropout and no dropped paths, since a method's loss is
    decided by the batch alone; running statistics move by 0.1 and not 0.01 a step, since small studies have few steps.
    """
    with quiet_monai():
        from monai.networks.nets.efficientnet import EfficientNet
    net: Any = EfficientNet(
        blocks_args_str=list(_PUBLISHED_BLOCKS),
        spatial_dims=spec.spatial_dims,
        in_channels=spec.channels,
        num_classes=1,
        width_coefficient=spec.options.width,
        dropout_rate=0.0,
        drop_connect_rate=0.0,
        norm=("batch", {"eps": 1e-3, "momentum": 0.1}),
    )
    dim = net._fc.in_features
    net._fc = nn.Identity()
    _pad_symmetrically(net)
    if spec.small_images:
        net._conv_stem.stride = (1,) * spec.spatial_dims
    return Backbone(net, dim=dim, stages=("_blocks.1", "_blocks.2", "_blocks.4", "_blocks.6"))


def _pad_symmetrically(net: nn.Module) -> None:
    """Padding within the convolutions, in the place of MONAI's layers, which are made for one size of square images."""
    for layer in convolutions(net):
        layer.padding = tuple((size - 1) // 2 for size in layer.kernel_size)
    for module in list(net.modules()):
        for name, _ in list(module.named_children()):
            if name.endswith("_padding"):
                setattr(module, name, nn.Identity())
