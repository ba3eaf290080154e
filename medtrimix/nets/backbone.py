"""What an architecture hands to the encoder: a network without its classifier, and where its feature maps are."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn


class Backbone(NamedTuple):
    """A network that embeds images.

    Attributes:
        net: image_BCHW (or image_BCDHW), float -> embedding_BE.
        dim: E, the length of an embedding.
        stages: names of four of its modules, the first one first; what each puts out is a feature map, batch first.
    """

    net: Any  # as torch types the attributes of a module
    dim: int
    stages: tuple[str, str, str, str]


@contextmanager
def quiet_monai() -> Iterator[None]:
    """For imports of MONAI: they take seconds, and warn about other packages, which is not our user's concern."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MONAI imports mlflow, which looks up an outside host
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def convolutions(network: nn.Module) -> Iterator[nn.Conv2d | nn.Conv3d]:
    """Its convolutions, in two or three dimensions."""
    return (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d))
