"""MONAI's DenseNet-121 (Huang et al., "Densely connected convolutional networks", CVPR 2017) in 2D and 3D."""

from __future__ import annotations

from torch import nn

from medtrimix.nets.backbone import Backbone, quiet_monai
from medtrimix.nets.options import EncoderSpec

_PUBLISHED_STEM, _PUBLISHED_GROWTH = 64, 32


def densenet121(spec: EncoderSpec) -> Backbone:
    """The embedding is the mean over positions of the last feature map, 1,024 numbers at width 1."""
    with quiet_monai():
        from monai.networks.nets.densenet import DenseNet
    width = spec.options.width
    net = DenseNet(
        spatial_dims=spec.spatial_dims,
        in_channels=spec.channels,
        out_channels=1,
        init_features=round(_PUBLISHED_STEM * width),
        growth_rate=round(_PUBLISHED_GROWTH * width),
        block_config=(6, 12, 24, 16),
    )
    dim = net.class_layers.out.in_features
    net.class_layers.out = nn.Identity()
    if spec.small_images:
        stem = net.features.conv0
        net.features.conv0 = type(stem)(spec.channels, stem.out_channels, kernel_size=3, padding=1, bias=False)
        nn.init.kaiming_normal_(net.features.conv0.weight)  # as MONAI draws the others
    for number in (1, 2, 3):
        # An odd row would be dropped, and of a map of one row nothing would be left: volumes of few slices get there.
        net.features.get_submodule(f"transition{number}.pool").ceil_mode = True
    stages = ("features.transition1", "features.transition2", "features.transition3", "features.norm5")
    return Backbone(net, dim=dim, stages=stages)
