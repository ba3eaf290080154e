"""All pretraining methods. To add one: its options in `options.py`, its file, and a line here."""

from __future__ import annotations

from typing import Any

from medtrimix.methods.barlow_twins import BarlowTwins
from medtrimix.methods.byol import BYOL
from medtrimix.methods.i_mix import IMix
from medtrimix.methods.mae import MAE
from medtrimix.methods.method import Method
from medtrimix.methods.mixed_barlow_twins import MixedBarlowTwins
from medtrimix.methods.moco_v2 import MoCoV2
from medtrimix.methods.options import (
    BarlowTwinsOptions,
    BYOLOptions,
    IMixOptions,
    MAEOptions,
    MixedBarlowTwinsOptions,
    MoCoV2Options,
    PretrainingOptions,
    SimCLROptions,
    SimSiamOptions,
    TriMixOptions,
    VICRegOptions,
)
from medtrimix.methods.simclr import SimCLR
from medtrimix.methods.simsiam import SimSiam
from medtrimix.methods.trimix import TriMix
from medtrimix.methods.two_view import TwoView
from medtrimix.methods.vicreg import VICReg
from medtrimix.nets.encoder import Encoder

TWO_VIEW_METHODS: dict[type[Any], type[Any]] = {
    SimCLROptions: SimCLR,
    BarlowTwinsOptions: BarlowTwins,
    VICRegOptions: VICReg,
    SimSiamOptions: SimSiam,
    BYOLOptions: BYOL,
}
"""Those that TriMix can take as its base."""

METHODS: dict[type[Any], type[Any]] = {
    TriMixOptions: TriMix,
    **TWO_VIEW_METHODS,
    MoCoV2Options: MoCoV2,
    MixedBarlowTwinsOptions: MixedBarlowTwins,
    IMixOptions: IMix,
    MAEOptions: MAE,
}


def build_method(options: PretrainingOptions, *, encoder: Encoder) -> Method:
    """The method of these options around `encoder`; its heads are drawn from torch's generator."""
    if isinstance(options, TriMixOptions):
        base: TwoView = TWO_VIEW_METHODS[type(options.base)](options.base, encoder=encoder)
        return TriMix(options, base=base)
    method: Method = METHODS[type(options)](options, encoder=encoder)
    return method
