"""A pass over virtual images is normalised like any other and leaves no trace in the running statistics."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medtrimix.nets.batchnorm import running_statistics_kept


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8), nn.BatchNorm1d(8)
    )


def statistics(net: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in net.named_buffers()}


def changed(net: nn.Module, *, since: dict[str, Tensor]) -> set[str]:
    return {name for name, buffer in net.named_buffers() if not torch.equal(buffer, since[name])}


def test_batch_statistics_without_a_trace() -> None:
    net, image = network(), torch.randn(8, 1, 8, 8)
    before = statistics(net)
    with running_statistics_kept(net):
        seen = net(image)
    assert changed(net, since=before) == set()
    torch.testing.assert_close(seen, net(image), rtol=0, atol=0)
    assert changed(net, since=before) == set(before)  # outside the block the same pass leaves one


def test_evaluation_still_uses_the_running_statistics() -> None:
    net, image = network().eval(), torch.randn(8, 1, 8, 8)
    expected = net(image)
    with running_statistics_kept(net):
        torch.testing.assert_close(net(image), expected, rtol=0, atol=0)


def test_the_switch_goes_back_when_the_block_raises() -> None:
    net = network()
    with pytest.raises(RuntimeError, match="out of memory"), running_statistics_kept(net):
        raise RuntimeError("out of memory")
    before = statistics(net)
    net(torch.randn(8, 1, 8, 8))
    assert changed(net, since=before) == set(before)


def test_layers_that_never_tracked_stay_so() -> None:
    layer = nn.BatchNorm1d(4, track_running_stats=False)
    with running_statistics_kept(layer):
        layer(torch.randn(3, 4))
    assert not layer.track_running_stats
