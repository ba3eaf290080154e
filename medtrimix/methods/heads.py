"""What a method puts on its encoder, for those who watch."""

from __future__ import annotations

from torch import nn

from medtrimix.methods.i_mix import IMix
from medtrimix.methods.method import Method
from medtrimix.methods.mixed_barlow_twins import MixedBarlowTwins
from medtrimix.methods.moco_v2 import MoCoV2
from medtrimix.methods.trimix import TriMix
from medtrimix.methods.two_view import TwoView
from medtrimix.methods.vicreg import VICReg


def projector_of(method: Method) -> nn.Module | None:
    """The network from features to the embeddings that the loss compares; None where a method has none."""
    inner = method.base if isinstance(method, TriMix) else method
    return inner.projector if isinstance(inner, TwoView | IMix | MixedBarlowTwins | MoCoV2) else None


def size_counts(method: Method) -> bool:
    """Whether the loss sees how large embeddings are; the others look at directions or standardise."""
    return isinstance(method.base if isinstance(method, TriMix) else method, VICReg)
