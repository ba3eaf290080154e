"""Passes in evaluation mode that normalise with their own batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medtrimix.nets.batchnorm import batch_statistics


def made() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def test_they_are_those_of_training_mode_and_leave_nothing_behind() -> None:
    network, value = made(), 5 + 3 * torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    expected = made().train()(value)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.eval()
    assert not torch.allclose(network(value), expected), "with running statistics it is another value"
    with batch_statistics(network):
        assert torch.equal(network(value), expected)
    assert list(network.state_dict()) == list(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_running_statistics_come_back_when_the_block_raises() -> None:
    network = made().eval()
    mean = network[1].running_mean
    with pytest.raises(RuntimeError), batch_statistics(network):
        network(torch.randn(2, 7))
    assert network[1].running_mean is mean
