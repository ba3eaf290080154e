"""TriMix: its terms are the losses they claim to be, on the mixtures that they claim to use."""

from __future__ import annotations

import pytest
import torch

from medtrimix.losses.barlow_twins import barlow_twins
from medtrimix.losses.consistency import cosine_consistency, standardised_consistency
from medtrimix.losses.extraction import soft_assignment, unmix
from medtrimix.losses.nt_xent import nt_xent, nt_xent_per_sample
from medtrimix.methods.method import ViewBatch
from medtrimix.methods.mixing import mix
from medtrimix.methods.options import TriMixOptions
from medtrimix.methods.trimix import TriMix
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.options import EncoderOptions, ProjectorOptions

SMALL = ProjectorOptions(hidden_dim=16, dim=8)


def trimix(options: TriMixOptions) -> TriMix:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(16, 16))
    return TriMix(options, encoder=encoder)


def batch(*, progress: float = 1.0, step: int = 0) -> ViewBatch:
    generator = torch.Generator().manual_seed(1)
    view1, view2 = torch.randn(2, 8, 1, 16, 16, generator=generator)
    return ViewBatch(view1, view2, progress=progress, seed=5, step=step)


def test_terms_with_nt_xent() -> None:
    method, views = trimix(TriMixOptions(projector=SMALL, extraction_weight=0.5, consistency_weight=2.0)), batch()
    terms = method.loss(views).terms
    mixing = method.mixing(views)
    z1, z2, virtual = (
        method.projector(method.encoder(image))
        for image in (views.view1_BCHW, views.view2_BCHW, mix(views.view1_BCHW, mixing=mixing))
    )
    on = {"weight": mixing.weight, "permutation_B": mixing.permutation_B}
    extraction = soft_assignment(virtual, z2, **on, pair_loss=lambda a, b: nt_xent_per_sample(a, b, temperature=0.5))
    torch.testing.assert_close(terms["base"], nt_xent(z1, z2, temperature=0.5))
    torch.testing.assert_close(terms["extraction"], 0.5 * extraction)
    torch.testing.assert_close(terms["consistency"], 2.0 * cosine_consistency(virtual, z1, **on))


def test_terms_with_barlow_twins_and_mixed_features() -> None:
    method = trimix(TriMixOptions(base="barlow_twins", mixing="features", projector=SMALL))
    views = batch()
    terms = method.loss(views).terms
    mixing = method.mixing(views)
    h1, h2 = method.encoder(views.view1_BCHW), method.encoder(views.view2_BCHW)
    z1, z2, virtual = (method.projector(h) for h in (h1, h2, mix(h1, mixing=mixing)))
    on = {"weight": mixing.weight, "permutation_B": mixing.permutation_B}
    torch.testing.assert_close(terms["base"], barlow_twins(z1, z2))
    torch.testing.assert_close(terms["extraction"], unmix(virtual, z1, z2, **on, pair_loss=barlow_twins))
    torch.testing.assert_close(terms["consistency"], 0.1 * standardised_consistency(virtual, z1, **on))


def test_without_extraction() -> None:
    assert set(trimix(TriMixOptions(projector=SMALL, extraction="none")).loss(batch()).terms) == {"base", "consistency"}


@pytest.mark.parametrize(("progress", "factor"), [(0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (0.9, 1.0)])
def test_ramp_up(progress: float, factor: float) -> None:
    full, ramped = (
        trimix(TriMixOptions(projector=SMALL, ramp_up=ramp_up)).loss(batch(progress=progress)).terms
        for ramp_up in (0.0, 0.2)
    )
    torch.testing.assert_close(ramped["base"], full["base"])
    for term in ("extraction", "consistency"):
        torch.testing.assert_close(ramped[term], factor * full[term])


def test_each_step_mixes_anew() -> None:
    method = trimix(TriMixOptions(projector=SMALL))
    assert not torch.equal(method.loss(batch(step=0)).total, method.loss(batch(step=1)).total)


@pytest.mark.parametrize("mixing", ["images", "features"])
def test_virtual_images_leave_no_trace_in_the_running_statistics(mixing: str) -> None:
    method = trimix(TriMixOptions.model_validate({"mixing": mixing, "projector": SMALL}))
    views, two_passes = batch(), trimix(TriMixOptions(projector=SMALL))
    method.loss(views)
    for view in (views.view1_BCHW, views.view2_BCHW):
        two_passes.projector(two_passes.encoder(view))
    expected = dict(two_passes.named_buffers())
    assert expected
    for name, buffer in method.named_buffers():
        torch.testing.assert_close(buffer, expected[name], rtol=0, atol=0)
