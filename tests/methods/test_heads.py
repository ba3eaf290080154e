"""What those who watch a pretraining find in a method."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from medtrimix.methods.heads import projector_of, size_counts
from medtrimix.methods.method import Method, StepLoss, ViewBatch
from medtrimix.methods.options import MAEOptions, SimCLROptions, TriMixOptions, VICRegOptions
from medtrimix.methods.table import METHODS, build_method
from medtrimix.nets.encoder import Encoder, build_encoder
from medtrimix.nets.options import EncoderOptions


def small(name: Literal["resnet10", "vit"] = "resnet10") -> Encoder:
    return build_encoder(EncoderOptions(name=name, width=0.125), channels=1, image_size=(16, 16))


@pytest.mark.parametrize(
    "options", [kind for kind in METHODS if kind is not MAEOptions], ids=lambda options: options.__name__
)
def test_the_projector_takes_features(options: type) -> None:
    method = build_method(options(), encoder=small())
    projector = projector_of(method)
    assert projector is not None
    assert projector(torch.randn(4, method.encoder.dim)).shape[0] == 4
    assert any(module is projector for module in method.modules()), "its own, not a copy"


def test_a_method_without_one_has_none() -> None:
    class Bare(Method):
        def loss(self, batch: ViewBatch) -> StepLoss:
            raise NotImplementedError

    assert projector_of(Bare(encoder=small(), passes_per_step=1)) is None
    assert not size_counts(Bare(encoder=small(), passes_per_step=1))
    assert projector_of(build_method(MAEOptions(), encoder=small("vit"))) is None


def test_the_size_of_embeddings_counts_for_vicreg_alone() -> None:
    def counts(options: VICRegOptions | TriMixOptions | SimCLROptions) -> bool:
        return size_counts(build_method(options, encoder=small()))

    assert counts(VICRegOptions())
    assert counts(TriMixOptions.model_validate({"base": "vicreg"}))
    assert not counts(TriMixOptions())
    assert not counts(SimCLROptions())
