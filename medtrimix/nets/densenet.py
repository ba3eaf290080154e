"""MONAI's DenseNet-121 (Huang et al., "Densely connected convolutional networks", CVPR 2017) in 2D and 3D."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, avg_pool3d

from medtrimix.nets.backbone import Backbone, quiet_monai
from medtrimix.nets.options import EncoderSpec

_PUBLISHED_STEM, _PUBLISHED_GROWTH = 64, 32


def densenet121(spec: EncoderSpec) -> Backbone:
    """The embedding is the mean over positions of the last feature map, 1,024 numbers at width 1."""
    with quiet_monai():
        from monai.networks.nets.densenet import DenseNet
    width = spec.options.width
    net: Any = DenseNet(
        spatial_dims=spec.spatial_dims,
        in_channels=spec.channels,
        out_channels=1,
        init_features=round(_PUBLISHED_STEM * width),
        growth_rate=round(_PUBLISHED_GROWTH * width),
        block_config=(6, 12, 24, 16),
    )
    dim = net.class_layers.out.in_features
    net.class_layers.out = nn.Identity()
    stem = net.features.conv0
    if stem.kernel_size != spec.stem_kernel:
        net.features.conv0 = type(stem)(
            spec.channels,
            stem.out_channels,
            kernel_size=spec.stem_kernel,
            stride=1 if spec.small_images else 2,
            padding=tuple(size // 2 for size in spec.stem_kernel),
            bias=False,
        )
        nn.init.kaiming_normal_(net.features.conv0.weight)  # as MONAI draws the others
    for number in (1, 2, 3):
        net.features.get_submodule(f"transition{number}").pool = _Halving()
    stages = ("features.transition1", "features.transition2", "features.transition3", "features.norm5")
    return Backbone(net, dim=dim, stages=stages)


class _Halving(nn.Module):
    """Means of 2 x 2 pixels, at the far end of what is there.

    The published pooling drops an odd row, and of a map of one row leaves nothing: volumes of few slices get there.
    """

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Each side halved, rounded up."""
        pool = avg_pool2d if map_BCHW.ndim == 4 else avg_pool3d
        return pool(map_BCHW, [min(2, side) for side in map_BCHW.shape[2:]], ceil_mode=True)
