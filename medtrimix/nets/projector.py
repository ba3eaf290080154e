"""The projector: a small network between the encoder and the loss."""

from __future__ import annotations

from torch import nn

from medtrimix.nets.options import ProjectorOptions


def build_projector(options: ProjectorOptions, *, in_dim: int) -> nn.Sequential:
    """embedding_BE of length `in_dim` -> embedding_BE of length `options.dim`.

    No layer has a bias. Batch normalisation would take it away again, in the network or, after the last layer, in the
    losses that standardise (Barlow Twins) or look at differences (VICReg). Those that compare directions (NT-Xent,
    MoCo, i-Mix, the predictors of BYOL and SimSiam) would keep the last one's: there the choice is one projector for
    all.
    """
    layers: list[nn.Module] = []
    width = in_dim
    for _ in range(options.hidden_layers):
        layers += [nn.Linear(width, options.hidden_dim, bias=False), nn.BatchNorm1d(options.hidden_dim), nn.ReLU()]
        width = options.hidden_dim
    return nn.Sequential(*layers, nn.Linear(width, options.dim, bias=False))
