"""Configuration of networks; imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medtrimix.config.model import Config

EncoderName = Literal["resnet10", "resnet18", "resnet34", "resnet50", "densenet121", "efficientnet_b0", "vit"]


class EncoderOptions(Config):
    """The network that turns an image into an embedding.

    Attributes:
        name: depth and kind.
        width: factor on the published numbers of channels; 0.25 suits a CPU. Of a ResNet 64, 128, 256, 512; of
            DenseNet-121 64 at first and 32 more in each layer; EfficientNet-B0's rounded to multiples of 8; of the
            transformer 768 in 12 heads, rounded to whole heads. Below 0.125 strided 1x1 convolutions of fewer than 8
            channels in channels_last order corrupt memory (torch 2.13, oneDNN, AVX2).
    """

    name: EncoderName = "resnet18"
    width: float = Field(default=1.0, ge=0.125, le=4.0)


class ProjectorOptions(Config):
    """The head that is trained with the encoder and thrown away after pretraining.

    Attributes:
        hidden_layers: layers before the last one, each linear, batch normalisation, ReLU.
        hidden_dim: their width.
        dim: length of the embedding that the loss sees.
    """

    hidden_layers: int = Field(default=1, ge=0, le=4)
    hidden_dim: int = Field(default=512, ge=1)
    dim: int = Field(default=128, ge=2)


SMALL_IMAGE_PX = 32
"""Up to this size the stem divides the resolution by 2, above it by 4 as published (7x7, stride 2, then pooling).

Keeping the first resolution, as is common at 32 pixels, makes every step three times as slow at 28 pixels (351 against
1,035 images per second and core, forward and backward, width 0.25).
"""
SMALL_VOLUME_PX = 16
"""The same for volumes.

At 32 voxels a side the published stem is four times as fast (189 against 49 volumes per second and core). Spent on
twice the width, the time gave no worse a network: test AUC on AdrenalMNIST3D from scratch .886 and .886 (two seeds)
against .864 and .897.
"""


THIN_VOLUME = 8
"""Volumes of fewer slices get a stem of 3 x 7 x 7.

The gradient of a 7 x 7 x 7 convolution of stride 2 is wrong for 6 and 7 slices, and for 5 it corrupts memory (torch
2.13, oneDNN, AVX2).
"""


class EncoderSpec(Config):
    """All that is needed to build an encoder again: its options, and the images that it was built for.

    Attributes:
        options: kind and width.
        channels: of the images, 1 grey or 3 RGB.
        image_size: rows and columns (before them slices) in pixels. It decides the stem, or the size of patches; other
            sizes can be fed.
        spatial_dims: 2 for images, 3 for volumes.
    """

    options: EncoderOptions
    channels: int = Field(ge=1)
    image_size: tuple[int, ...]
    spatial_dims: Literal[2, 3] = 2

    @property
    def small_images(self) -> bool:
        """True where the stem halves the resolution once less than published."""
        return max(self.image_size) <= (SMALL_IMAGE_PX if self.spatial_dims == 2 else SMALL_VOLUME_PX)

    @property
    def stem_kernel(self) -> tuple[int, ...]:
        """Size of the first convolution of ResNets and DenseNets."""
        if self.small_images:
            return (3,) * self.spatial_dims
        return (7, 7) if self.spatial_dims == 2 else (3 if self.image_size[0] < THIN_VOLUME else 7, 7, 7)
