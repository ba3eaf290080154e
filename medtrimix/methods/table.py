"""All pretraining methods. To add one: its options in `options.py`, its file, and a line here."""

from __future__ import annotations

from typing import Any

from medtrimix.methods.barlow_twins import BarlowTwins
from medtrimix.methods.method import Method
from medtrimix.methods.options import BarlowTwinsOptions, PretrainingOptions, SimCLROptions, TriMixOptions
from medtrimix.methods.simclr import SimCLR
from medtrimix.methods.trimix import TriMix
from medtrimix.nets.encoder import Encoder

METHODS: dict[type[PretrainingOptions], Any] = {
    TriMixOptions: TriMix,
    SimCLROptions: SimCLR,
    BarlowTwinsOptions: BarlowTwins,
}


def build_method(options: PretrainingOptions, *, encoder: Encoder) -> Method:
    """The method of these options around `encoder`; its projector is drawn from torch's generator."""
    method: Method = METHODS[type(options)](options, encoder=encoder)
    return method
