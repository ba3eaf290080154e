"""Which weights of an encoder are trained, how fast, and as what."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from medtrimix.lowlabel.classifier import Classifier
from medtrimix.lowlabel.network_options import NetworkOptions

LAST = 3
"""Number of an encoder's last stage, from 0."""


class LowRank(nn.Module):
    """A weight plus an update of low rank: W + up @ down, seen as a matrix of output by input channels and positions.

    Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022, section 4.1, with alpha equal to the
    rank; for convolutions as in their code. `up` starts at 0, so that training starts at W.
    """

    def __init__(self, weight: Tensor, *, rank: int) -> None:
        super().__init__()
        rows, columns = len(weight), weight[0].numel()
        rank = min(rank, rows, columns)
        self.down = nn.Parameter(torch.empty(rank, columns, device=weight.device))
        self.up = nn.Parameter(torch.zeros(rows, rank, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight in use."""
        return weight + (self.up @ self.down).view_as(weight)


def prepare(classifier: Classifier, *, options: NetworkOptions) -> None:
    """Fixes what is not trained, and puts low-rank updates where they are wanted.

    With `low_rank` the weights of convolutions and linear layers are fixed; biases and normalisation, which have one
    number for each channel, are trained as they are.
    """
    if options.train != "full":
        first = LAST if options.train == "last_block" else LAST + 1
        stage = stage_of(classifier.encoder)
        for name, weight in classifier.encoder.named_parameters():
            weight.requires_grad_(stage[name] >= first)
        classifier.fix_statistics()
    if options.low_rank:
        for layer in _layers(classifier.encoder):
            layer.weight.requires_grad_(False)
            update = LowRank(layer.weight, rank=options.low_rank)
            parametrize.register_parametrization(layer, "weight", update)


def merge_updates(classifier: Classifier) -> None:
    """Adds low-rank updates to their weights: a plain network that says the same."""
    for layer in _layers(classifier.encoder):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")


def parameter_groups(classifier: Classifier, *, options: NetworkOptions, pretrained: bool) -> list[dict[str, Any]]:
    """What the optimiser is given: of each stage of the encoder, and of the head, its weights and peak learning rate.

    The stages' rates fall from the last to the first as in Howard and Ruder, "Universal language model fine-tuning for
    text classification", ACL 2018, section 3.2.
    """
    peak = options.encoder_lr if pretrained and not options.low_rank else options.scratch_lr
    named = [(name, weight) for name, weight in classifier.encoder.named_parameters() if weight.requires_grad]
    if options.layer_decay == 1:
        groups = [{"params": [weight for _, weight in named], "lr": peak}]
    else:
        stage = stage_of(classifier.encoder)
        groups = [
            {
                "params": [weight for name, weight in named if stage[name] == number],
                "lr": peak * options.layer_decay ** (LAST - number),
            }
            for number in range(LAST + 1)
        ]
    return [
        *(group for group in groups if group["params"]),
        {"params": classifier.head.parameters(), "lr": options.head_lr},
    ]


def stage_of(encoder: nn.Module) -> dict[str, int]:
    """Of each weight, by name, the number of the encoder's stage (0 to 3) that it belongs to.

    An encoder names the four modules that its stages end with; modules are registered in the order in which images
    pass them. What lies before the first stage (the stem) counts to it, what follows the last one to the last.
    """
    weights = list(encoder.parameters())
    place = {id(weight): number for number, weight in enumerate(weights)}
    stages: Any = encoder.stages
    ends = [max(place[id(weight)] for weight in stage.parameters()) for stage in stages]
    assert len(ends) == LAST + 1, "an encoder has four stages"
    assert ends == sorted(ends), "an encoder's stages are in order"
    return {name: min(bisect_left(ends, number), LAST) for number, (name, _) in enumerate(encoder.named_parameters())}


def _layers(network: nn.Module) -> list[Any]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear)]
