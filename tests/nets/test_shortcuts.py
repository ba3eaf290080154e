"""The shortcuts of a ResNet: the numbers of a strided convolution, without its damage."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, conv3d

from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.options import EncoderOptions

TRAINING = """
import torch
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.memory import channels_last, weights_channels_last
from medtrimix.nets.options import EncoderOptions
torch.manual_seed(0)
torch.set_num_threads(2)
options = EncoderOptions(name="resnet10", width=0.125)
encoder = weights_channels_last(build_encoder(options, channels=1, image_size=(32, 32)))
for images in [3, 5] * 30:
    encoder(channels_last(torch.randn(images, 1, 32, 32))).square().mean().backward()
"""


def test_two_threads_and_three_images_leave_memory_alone() -> None:
    """With strided shortcuts this process died of a damaged heap."""
    done = subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-300:]


@pytest.mark.parametrize("size", [(32, 32), (30, 27), (16, 18, 14)], ids=str)
def test_a_shortcut_is_its_strided_convolution(size: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    encoder = build_encoder(EncoderOptions(name="resnet18", width=0.125), channels=1, image_size=size).double().eval()
    shortcuts = [
        layer
        for layer in encoder.modules()
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and set(layer.kernel_size) == {1}
    ]
    assert len(shortcuts) == 3
    strided = conv2d if len(size) == 2 else conv3d
    seen = []
    for layer in shortcuts:
        assert set(layer.stride) == {1}
        maps = torch.randn(2, layer.in_channels, *size, dtype=torch.float64)
        torch.testing.assert_close(layer(maps), strided(maps, layer.weight, stride=2))
        layer.register_forward_hook(lambda _layer, _given, out: seen.append(out.shape))
    encoder(torch.randn(2, 1, *size, dtype=torch.float64))
    assert len(seen) == 3
