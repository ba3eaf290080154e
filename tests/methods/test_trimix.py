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
from medtrimix.methods.options import BarlowTwinsOptions, SimCLROptions, TriMixOptions
from medtrimix.methods.table import build_method
from medtrimix.methods.trimix import TriMix
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.options import EncoderOptions, ProjectorOptions

HEAD = ProjectorOptions(hidden_dim=16, dim=8)
SMALL = SimCLROptions(temperature=0.5, projector=HEAD)
TWINS = BarlowTwinsOptions(projector=HEAD)


def trimix(options: TriMixOptions) -> TriMix:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(16, 16))
    method = build_method(options, encoder=encoder)
    assert isinstance(method, TriMix)
    return method


def batch(*, progress: float = 1.0, step: int = 0) -> ViewBatch:
    generator = torch.Generator().manual_seed(1)
    view1, view2 = torch.randn(2, 8, 1, 16, 16, generator=generator)
    return ViewBatch(view1, view2, progress=progress, seed=5, step=step)


def test_terms_with_nt_xent() -> None:
    method, views = trimix(TriMixOptions(base=SMALL, extraction_weight=0.5, consistency_weight=2.0)), batch()
    terms = method.loss(views).terms
    mixing = method.mixing(views)
    z1, z2, virtual = (
        method.base.projector(method.encoder(image))
        for image in (views.view1_BCHW, views.view2_BCHW, mix(views.view1_BCHW, mixing=mixing))
    )
    on = {"share": mixing.share, "row_KB": mixing.row_KB}
    extraction = soft_assignment(virtual, z2, **on, pair_loss=lambda a, b: nt_xent_per_sample(a, b, temperature=0.5))
    torch.testing.assert_close(terms["base"], nt_xent(z1, z2, temperature=0.5))
    torch.testing.assert_close(terms["extraction"], 0.5 * extraction)
    torch.testing.assert_close(terms["consistency"], 2.0 * cosine_consistency(virtual, z1, **on))


def test_terms_with_barlow_twins_and_mixed_features() -> None:
    method = trimix(TriMixOptions.model_validate({"base": TWINS, "mixing": "features"}))
    views = batch()
    terms = method.loss(views).terms
    mixing = method.mixing(views)
    h1, h2 = method.encoder(views.view1_BCHW), method.encoder(views.view2_BCHW)
    z1, z2, virtual = (method.base.projector(h) for h in (h1, h2, mix(h1, mixing=mixing)))
    on = {"share": mixing.share, "row_KB": mixing.row_KB}
    torch.testing.assert_close(terms["base"], barlow_twins(z1, z2))
    torch.testing.assert_close(terms["extraction"], unmix(virtual, z1, z2, **on, pair_loss=barlow_twins))
    torch.testing.assert_close(terms["consistency"], 0.1 * standardised_consistency(virtual, z1, **on))


def test_without_extraction() -> None:
    assert set(trimix(TriMixOptions(base=SMALL, extraction="none")).loss(batch()).terms) == {"base", "consistency"}


@pytest.mark.parametrize(("progress", "factor"), [(0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (0.9, 1.0)])
def test_ramp_up(progress: float, factor: float) -> None:
    full, ramped = (
        trimix(TriMixOptions(base=SMALL, ramp_up=ramp_up)).loss(batch(progress=progress)).terms
        for ramp_up in (0.0, 0.2)
    )
    torch.testing.assert_close(ramped["base"], full["base"])
    for term in ("extraction", "consistency"):
        torch.testing.assert_close(ramped[term], factor * full[term])


def test_each_step_mixes_anew() -> None:
    method = trimix(TriMixOptions(base=SMALL))
    assert not torch.equal(method.loss(batch(step=0)).total, method.loss(batch(step=1)).total)


@pytest.mark.parametrize("mixing", ["images", "features"])
def test_virtual_images_leave_no_trace_in_the_running_statistics(mixing: str) -> None:
    method = trimix(TriMixOptions.model_validate({"mixing": mixing, "base": SMALL}))
    views, two_passes = batch(), trimix(TriMixOptions(base=SMALL))
    method.loss(views)
    for view in (views.view1_BCHW, views.view2_BCHW):
        two_passes.base.projector(two_passes.encoder(view))
    expected = dict(two_passes.named_buffers())
    assert expected
    for name, buffer in method.named_buffers():
        torch.testing.assert_close(buffer, expected[name], rtol=0, atol=0)


def options(**given: object) -> TriMixOptions:
    return TriMixOptions.model_validate({"base": SMALL, **given})


def test_seeing_the_first_view_only_mixed() -> None:
    method, views = trimix(options(clean="second")), batch()
    terms = method.loss(views).terms
    mixing = method.mixing(views)
    on = {"share": mixing.share, "row_KB": mixing.row_KB}
    images = (views.view2_BCHW, mix(views.view1_BCHW, mixing=mixing))
    z2, virtual = (method.base.projector(method.encoder(image)) for image in images)
    assert set(terms) == {"extraction", "consistency"}
    extraction = soft_assignment(virtual, z2, **on, pair_loss=lambda a, b: nt_xent_per_sample(a, b, temperature=0.5))
    torch.testing.assert_close(terms["extraction"], extraction)
    torch.testing.assert_close(terms["consistency"], cosine_consistency(virtual, z2, **on))


def test_a_teacher_gives_targets_and_follows() -> None:
    method, views = trimix(options(clean="teacher")), batch()
    alone = trimix(options(clean="second"))
    torch.testing.assert_close(method.loss(views).total, alone.loss(views).total)  # at first it is a copy
    assert method.teacher is not None
    with torch.no_grad():
        for parameter in method.base.parameters():
            parameter.add_(1.0)
    before = [p.clone() for p in method.teacher.parameters()]
    method.after_step(0.0)
    for p, old in zip(method.teacher.parameters(), before, strict=True):
        torch.testing.assert_close(p, old + 0.01)
    before = [p.clone() for p in method.teacher.parameters()]
    method.after_step(1.0)
    assert all(torch.equal(p, old) for p, old in zip(method.teacher.parameters(), before, strict=True))


def test_hidden_mixing_goes_through_the_stages_in_turn() -> None:
    method = trimix(options(mixing="hidden"))
    stages = len(method.encoder.stages)
    totals = {method.loss(batch(step=step)).terms["base"].item() for step in range(stages)}
    assert len(totals) == 1  # clean passes are not touched
    mixing = method.mixing(batch(step=stages - 1))
    features: list[torch.Tensor] = []
    handle = method.encoder.register_forward_hook(lambda _encoder, _given, out: features.append(out))
    method.loss(batch(step=stages - 1))
    handle.remove()
    torch.testing.assert_close(features[2], mix(features[0], mixing=mixing))  # after the last stage all is linear
    assert method.mixtures(batch()) is None


@pytest.mark.parametrize(
    "given",
    [{"originals": 3}, {"blend": "cutmix"}, {"blend": "frequency"}, {"partners": "near"}, {"extraction": "head"}],
)
def test_each_option_changes_the_mixture_or_the_extraction_only(given: dict[str, object]) -> None:
    plain, other = (trimix(options(**these)).loss(batch()).terms for these in ({}, given))
    torch.testing.assert_close(other["base"], plain["base"])
    assert not torch.allclose(other["extraction"], plain["extraction"])


def test_consistency_on_features() -> None:
    method, views = trimix(options(consistency_on="features")), batch()
    mixing = method.mixing(views)
    on = {"share": mixing.share, "row_KB": mixing.row_KB}
    h1, virtual = (method.encoder(image) for image in (views.view1_BCHW, mix(views.view1_BCHW, mixing=mixing)))
    torch.testing.assert_close(method.loss(views).terms["consistency"], cosine_consistency(virtual, h1, **on))


def test_mixtures_are_those_of_the_loss() -> None:
    method, views = trimix(options(blend="cutmix")), batch()
    seen: list[torch.Tensor] = []
    handle = method.encoder.register_forward_hook(lambda _encoder, given, _out: seen.append(given[0]))
    method.loss(views)
    handle.remove()
    mixtures = method.mixtures(views)
    assert mixtures is not None
    assert torch.equal(mixtures[0], seen[-1])
    assert mixtures[1].shape == (8,)
