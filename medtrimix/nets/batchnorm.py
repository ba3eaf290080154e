"""Batch normalisation that learns from some passes and not from others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def running_statistics_kept(*networks: nn.Module) -> Iterator[None]:
    """Within the block, training passes normalise with their batch and leave the running statistics as they are.

    For passes over mixtures of images: they are normalised like any training batch, but the mean and variance used at
    test time should be those of real images. The switch goes back also when the block raises.
    """
    layers = [m for network in networks for m in network.modules() if isinstance(m, _BatchNorm)]
    tracked = [layer.track_running_stats for layer in layers]
    try:
        for layer in layers:
            layer.track_running_stats = False  # in training mode torch then passes no running buffers at all
        yield
    finally:
        for layer, was in zip(layers, tracked, strict=True):
            layer.track_running_stats = was


@contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """Within the block, passes in evaluation mode normalise with their own batch; nothing in the network changes.

    Running statistics lag behind the weights early in a training. Unlike training mode this also keeps
    `SyncBatchNorm` from waiting for other processes.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    kept = [(layer.running_mean, layer.running_var) for layer in layers]
    try:
        for layer in layers:
            layer.running_mean = layer.running_var = None  # what torch takes as "has no running statistics"
        yield
    finally:
        for layer, (mean, variance) in zip(layers, kept, strict=True):
            layer.running_mean, layer.running_var = mean, variance
