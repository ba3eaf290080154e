"""The order of pixels in memory changes no number, and what goes through at once fits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medtrimix.nets.encoder import Encoder, build_encoder
from medtrimix.nets.memory import channels_last, images_at_a_time, weights_channels_last
from medtrimix.nets.options import EncoderOptions, EncoderSpec

SHAPES = pytest.mark.parametrize("size", [(24, 20), (40, 36), (12, 16, 10), (20, 24, 18)], ids=str)


def built(size: tuple[int, ...]) -> Encoder:
    torch.manual_seed(0)
    return build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=2, image_size=size)


def gradient(encoder: Encoder, image: torch.Tensor) -> torch.Tensor:
    encoder(image).square().mean().backward()
    return torch.cat([parameter.grad.flatten() for parameter in encoder.parameters()])  # type: ignore[union-attr]


@SHAPES
def test_gradients_are_those_of_double_precision(size: tuple[int, ...]) -> None:
    """In training mode, with the narrowest encoder: where torch 2.13 has corrupted memory with fewer channels still.

    Sixteen images, since batch statistics of a handful put activations so close to zero that rounding turns them off.
    """
    image = torch.randn(16, 2, *size, generator=torch.Generator().manual_seed(2))
    expected = gradient(built(size).double(), image.double())
    seen = gradient(weights_channels_last(built(size)), channels_last(image))
    torch.testing.assert_close(seen.double(), expected, rtol=1e-3, atol=1e-5)


@SHAPES
def test_weights_and_images_are_in_one_order(size: tuple[int, ...]) -> None:
    order = torch.channels_last if len(size) == 2 else torch.channels_last_3d
    encoder, image = weights_channels_last(built(size)), channels_last(torch.zeros(2, 2, *size))
    assert image.is_contiguous(memory_format=order)
    weights = [layer.weight for layer in encoder.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d)]
    assert len(weights) > 9
    assert all(weight.is_contiguous(memory_format=order) for weight in weights)
    plain = [layer.weight for layer in built(size).modules() if isinstance(layer, nn.Conv2d | nn.Conv3d)]
    assert not all(weight.is_contiguous(memory_format=order) for weight in plain)


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((1, 28, 28), 256),
        ((3, 128, 128), 256),
        ((1, 512, 512), 16),
        ((1, 32, 32, 32), 128),
        ((1, 64, 64, 64), 16),
        ((1, 512, 512, 512), 1),
    ],
)
def test_the_larger_the_images_the_fewer_at_a_time(shape: tuple[int, ...], count: int) -> None:
    assert images_at_a_time(shape) == count


@pytest.mark.parametrize(
    ("size", "small"),
    [((32, 32), True), ((33, 20), False), ((16, 16, 16), True), ((12, 32, 32), False)],
)
def test_the_stem_goes_by_the_size(size: tuple[int, ...], small: bool) -> None:
    dims = len(size)
    spec = EncoderSpec(options=EncoderOptions(), channels=1, image_size=size, spatial_dims=3 if dims == 3 else 2)
    assert spec.small_images == small
