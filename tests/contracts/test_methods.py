"""What every pretraining method promises. A method is enrolled by standing in the table; broken ones don't pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.options import PretrainingOptions, SimCLROptions, TriMixOptions
from medtrimix.methods.simclr import SimCLR
from medtrimix.methods.table import METHODS, TWO_VIEW_METHODS, build_method
from medtrimix.nets.encoder import Encoder, build_encoder
from medtrimix.nets.options import EncoderOptions, ProjectorOptions

BATCH, SIZE = 16, 12
PROJECTOR = {"projector": ProjectorOptions(hidden_dim=32, dim=16)}


def small(options: type[Any], **given: object) -> Any:
    """Options with a small projector, wherever it sits."""
    if options is TriMixOptions:
        base = {"method": given.pop("base", "simclr"), **PROJECTOR}
        return options.model_validate({"base": base, **given})
    return options.model_validate({**PROJECTOR, **given})


MEMBERS: dict[str, PretrainingOptions] = {
    **{options.model_fields["method"].default: small(options) for options in METHODS},
    **{
        f"trimix, {name}": small(TriMixOptions, **given)
        for name, given in {
            "features, share per sample": {"mixing": "features", "lambda_per": "sample"},
            "unmix": {"extraction": "unmix"},
            "head": {"extraction": "head"},
            "second view": {"clean": "second"},
            "teacher": {"clean": "teacher"},
            "hidden": {"mixing": "hidden"},
            "cutmix": {"blend": "cutmix"},
            "frequency": {"blend": "frequency"},
            "near": {"partners": "near"},
            "three": {"originals": 3},
            "features' consistency": {"consistency_on": "features"},
        }.items()
    },
    **{
        f"trimix, {options.model_fields['method'].default}": small(
            TriMixOptions, base=options.model_fields["method"].default
        )
        for options in TWO_VIEW_METHODS
    },
}


def build(options: PretrainingOptions, *, axes: int = 2) -> Method:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(SIZE,) * axes)
    return build_method(options, encoder=encoder)


def views(method: Method, *, step: int = 0) -> ViewBatch:
    """Two noisy views of images (or volumes, if the method's encoder is one of volumes) that differ in their blocks."""
    generator = torch.Generator().manual_seed(1)
    size = method.encoder.spec.image_size
    image = torch.nn.functional.interpolate(torch.randn(BATCH, 1, *[3] * len(size), generator=generator), size=size)
    noise1, noise2 = 0.3 * torch.randn(2, BATCH, 1, *size, generator=generator)
    return ViewBatch(image + noise1, image + noise2, progress=0.5, seed=2, step=step)


def loss_is_one_finite_number(method: Method) -> None:
    total = method(views(method)).total
    assert total.shape == ()
    assert total.dtype == torch.float32
    assert total.isfinite()


def terms_sum_to_the_total(method: Method) -> None:
    step = method(views(method))
    assert step.terms
    torch.testing.assert_close(torch.stack(list(step.terms.values())).sum(), step.total)


def gradients_reach_every_parameter(method: Method) -> None:
    method(views(method)).total.backward()
    learnt = [(name, p) for name, p in method.named_parameters() if p.requires_grad]
    assert [name for name, p in learnt if p.grad is None or not p.grad.any()] == []


def passes_are_counted(method: Method) -> None:
    """Through the encoder, and a third of those through a teacher's copy of it."""
    images: list[float] = []
    for module in method.modules():
        if isinstance(module, Encoder):
            worth = 1 if module is method.encoder else 1 / 3
            module.register_forward_hook(lambda _m, given, _out, worth=worth: images.append(worth * len(given[0])))
    method(views(method))
    assert sum(images) == pytest.approx(method.passes_per_step * BATCH)


def same_batch_same_loss(method: Method) -> None:
    torch.manual_seed(3)
    first = method(views(method)).total
    torch.manual_seed(4)  # the global generator has no say
    assert torch.equal(method(views(method)).total, first)


def it_learns(method: Method) -> None:
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    totals: list[Tensor] = []
    for step in range(20):
        loss = method(views(method, step=step)).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.after_step(step / 20)
        totals.append(loss.detach())
    assert torch.stack(totals[-3:]).mean() < 0.9 * torch.stack(totals[:3]).mean()


def all_state_is_saved(method: Method) -> None:
    """What changes between steps is in the state dict: a fresh method that gets it goes on the same way."""
    method(views(method)).total.backward()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.01)
    method.after_step(0.3)
    fresh = copy.deepcopy(method)
    for value in (*fresh.parameters(), *fresh.buffers()):
        value.data.zero_()
    fresh.load_state_dict(method.state_dict())
    assert torch.equal(fresh(views(fresh)).total, method(views(method)).total)


CONTRACT = (
    loss_is_one_finite_number,
    terms_sum_to_the_total,
    gradients_reach_every_parameter,
    passes_are_counted,
    same_batch_same_loss,
    all_state_is_saved,
    it_learns,
)


@pytest.mark.parametrize("axes", [2, 3], ids=["pictures", "volumes"])
@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("promise", CONTRACT)
def test_method(name: str, promise: Callable[[Method], None], axes: int) -> None:
    promise(build(MEMBERS[name], axes=axes))


def test_names_in_yaml_are_names_of_classes() -> None:
    for options, method in METHODS.items():
        assert options.model_fields["method"].default.replace("_", "") == method.__name__.lower()
        assert type(build(options())) is method


class _Broken(SimCLR):
    def __init__(self, method: Method) -> None:
        super().__init__(SimCLROptions.model_validate(PROJECTOR), encoder=method.encoder)


class _NotANumber(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        step = super().loss(batch)
        return StepLoss(step.total * torch.nan, step.terms)


class _ForgottenTerm(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        step = super().loss(batch)
        return StepLoss(step.total + 1, step.terms)


class _CutGradient(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        return sum_of({"frozen": self.projector(self.encoder(batch.view1_BCHW).detach()).square().mean()})


class _HiddenPass(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        self.encoder(batch.view1_BCHW)
        return super().loss(batch)


class _GlobalRandomness(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        noisy = batch.view1_BCHW + torch.randn_like(batch.view1_BCHW)
        return super().loss(batch._replace(view1_BCHW=noisy))


class _WrongPairs(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        return super().loss(batch._replace(view2_BCHW=batch.view2_BCHW.roll(batch.step, dims=0)))


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (_NotANumber, loss_is_one_finite_number),
        (_ForgottenTerm, terms_sum_to_the_total),
        (_CutGradient, gradients_reach_every_parameter),
        (_HiddenPass, passes_are_counted),
        (_GlobalRandomness, same_batch_same_loss),
        (_WrongPairs, it_learns),
    ],
)
def test_a_broken_method_is_caught(broken: type[_Broken], promise: Callable[[Method], None]) -> None:
    method = broken(build(SimCLROptions.model_validate(PROJECTOR)))
    with pytest.raises(AssertionError):
        promise(method)
