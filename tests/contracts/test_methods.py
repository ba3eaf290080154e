"""What every pretraining method promises. A method is enrolled by standing in the table; broken ones don't pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from medtrimix.methods.byol import BYOL
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.options import (
    BYOLOptions,
    MAEOptions,
    MoCoV2Options,
    PretrainingOptions,
    SimCLROptions,
    TriMixOptions,
)
from medtrimix.methods.simclr import SimCLR
from medtrimix.methods.table import METHODS, TWO_VIEW_METHODS, build_method
from medtrimix.methods.teacher import Teacher
from medtrimix.nets.batchnorm import running_statistics_kept
from medtrimix.nets.encoder import Encoder, build_encoder
from medtrimix.nets.options import EncoderOptions, ProjectorOptions

BATCH, SIZE = 16, 12
PROJECTOR = {"projector": ProjectorOptions(hidden_dim=32, dim=16)}


def small(options: type[Any], **given: object) -> Any:
    """Options with a small projector, wherever it sits."""
    if options is TriMixOptions:
        base = {"method": given.pop("base", "simclr"), **PROJECTOR}
        return options.model_validate({"base": base, **given})
    if options is MAEOptions:
        return options.model_validate({"decoder_dim": 32, "decoder_depth": 1, **given})
    queue = {"queue": BATCH} if options is MoCoV2Options else {}
    return options.model_validate({**PROJECTOR, **queue, **given})


MEMBERS: dict[str, PretrainingOptions] = {
    **{options.model_fields["method"].default: small(options) for options in METHODS},
    **{
        f"trimix, {name}": small(TriMixOptions, **given)
        for name, given in {
            "features, share per sample": {"mixing": "features", "lambda_per": "sample"},
            "unmix": {"extraction": "unmix"},
            "head": {"extraction": "head"},
            "second view": {"clean": "second"},
            "second view as a target": {"clean": "second", "base": "simsiam"},
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
    kind = EncoderOptions(name="vit" if isinstance(options, MAEOptions) else "resnet10", width=0.125)
    encoder = build_encoder(kind, channels=1, image_size=(SIZE,) * axes)
    return build_method(options, encoder=encoder)


def views(method: Method, *, step: int = 0) -> ViewBatch:
    """Two noisy views of images (or volumes, if the method's encoder is one of volumes) that differ in their blocks."""
    generator = torch.Generator().manual_seed(1 + step)
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
    """Through the encoder or a copy of it, with a third of the worth if there is nothing to go back through."""
    images: list[float] = []
    for module in method.modules():
        if isinstance(module, Encoder):
            module.register_forward_hook(
                lambda _m, given, out: images.append(len(given[0]) * (1 if out.requires_grad else 1 / 3))
            )
    method(views(method))
    assert sum(images) == pytest.approx(method.passes_per_step * BATCH)


def same_batch_same_loss(method: Method) -> None:
    torch.manual_seed(3)
    first = method(views(method)).total
    torch.manual_seed(4)  # the global generator has no say
    assert torch.equal(method(views(method)).total, first)


def it_learns(method: Method) -> None:
    """The loss of new images falls, and is lower for an image's two views than for views of different images.

    For a method that says that it sees the first view only, the second one changes nothing.

    In 20 steps, or in 100 where the targets come from a teacher, who hardly moves at first. The start is the end of the
    first step: until then a queue is full of noise.
    """
    taught = any(isinstance(module, Teacher) for module in method.modules())
    steps = 100 if taught else 20
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    optimise(method, optimiser, step=0, progress=0.0)
    first = loss_of_new_images(method)
    for step in range(1, steps):
        optimise(method, optimiser, step=step, progress=step / steps)
    last = loss_of_new_images(method)
    assert last < 0.95 * first
    mismatched = loss_of_new_images(method, apart=1)
    assert last < 0.9 * mismatched if method.sees == "both views" else last == mismatched


@torch.no_grad()
def loss_of_new_images(method: Method, *, apart: int = 0) -> float:
    """Mean of four batches; the second view is of the image that is so many rows apart."""
    batches = [views(method, step=1000 + number) for number in range(4)]
    apart_batches = [batch._replace(view2_BCHW=batch.view2_BCHW.roll(apart, dims=0)) for batch in batches]
    return sum(float(method(batch).total) for batch in apart_batches) / 4


def optimise(method: Method, optimiser: torch.optim.Optimizer, *, step: int, progress: float) -> None:
    optimiser.zero_grad()
    method(views(method, step=step)).total.backward()
    optimiser.step()
    method.after_step(progress)


def trained(method: Method, *, steps: tuple[int, ...]) -> None:
    optimiser = torch.optim.SGD(method.parameters(), lr=0.1)  # without state of its own
    for step in steps:
        optimise(method, optimiser, step=step, progress=step / 4)


def between_steps(method: Method) -> dict[str, Tensor]:
    """State that gradients don't change, without the running statistics, which every pass changes."""
    running = ("running_mean", "running_var", "num_batches_tracked")
    parameters = method.named_parameters(remove_duplicate=False)  # an encoder can have two names
    learnt = {name for name, parameter in parameters if parameter.requires_grad}
    return {
        name: value.clone()
        for name, value in method.state_dict().items()
        if name not in learnt and not name.endswith(running)
    }


def other_state_moves_after_steps_only(method: Method) -> None:
    """Teachers and queues: all of it changes in `after_step`, none of it in `loss`."""
    before = between_steps(method)
    optimiser = torch.optim.SGD(method.parameters(), lr=0.1)
    method(views(method)).total.backward()
    optimiser.step()
    unmoved = between_steps(method)
    assert [name for name, value in before.items() if not torch.equal(value, unmoved[name])] == []
    method.after_step(0.3)
    moved = between_steps(method)
    assert [name for name, value in before.items() if torch.equal(value, moved[name])] == []


def all_state_is_saved(method: Method) -> None:
    """What changes between steps is in the state dict: a fresh method that gets it goes on the same way."""
    fresh = copy.deepcopy(method)
    trained(method, steps=(0, 1, 2))
    fresh.load_state_dict(method.state_dict())
    for each in (method, fresh):
        trained(each, steps=(3,))
    assert torch.equal(fresh(views(fresh)).total, method(views(method)).total)


def running_statistics_move(method: Method) -> None:
    """The encoder normalises with them afterwards."""
    layers = [layer for layer in method.encoder.modules() if isinstance(layer, _BatchNorm)]
    method(views(method))
    assert [layer for layer in layers if not layer.num_batches_tracked] == []


CONTRACT = (
    loss_is_one_finite_number,
    terms_sum_to_the_total,
    gradients_reach_every_parameter,
    passes_are_counted,
    running_statistics_move,
    same_batch_same_loss,
    other_state_moves_after_steps_only,
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


class _HiddenPassWithoutGradient(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        with torch.no_grad():
            self.encoder(batch.view1_BCHW)
        return super().loss(batch)


class _KeptStatistics(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        with running_statistics_kept(self):
            return super().loss(batch)


class _HiddenState(_Broken):
    steps = 0

    def loss(self, batch: ViewBatch) -> StepLoss:
        return sum_of({"growing": super().loss(batch).total * (1 + self.steps)})

    def after_step(self, progress: float) -> None:  # noqa: ARG002
        self.steps += 1


class _IdleTeacher(BYOL):
    def __init__(self, method: Method) -> None:
        super().__init__(BYOLOptions.model_validate(PROJECTOR), encoder=method.encoder)

    def after_step(self, progress: float) -> None:
        pass


class _HastyTeacher(_IdleTeacher):
    def loss(self, batch: ViewBatch) -> StepLoss:
        BYOL.after_step(self, batch.progress)
        return super().loss(batch)


class _GlobalRandomness(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        noisy = batch.view1_BCHW + torch.randn_like(batch.view1_BCHW)
        return super().loss(batch._replace(view1_BCHW=noisy))


class _WrongPairs(_Broken):
    def loss(self, batch: ViewBatch) -> StepLoss:
        return super().loss(batch._replace(view2_BCHW=batch.view2_BCHW.roll(batch.step, dims=0)))


class _SecretSecondView(_Broken):
    sees = "first view"


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (_NotANumber, loss_is_one_finite_number),
        (_ForgottenTerm, terms_sum_to_the_total),
        (_CutGradient, gradients_reach_every_parameter),
        (_HiddenPass, passes_are_counted),
        (_HiddenPassWithoutGradient, passes_are_counted),
        (_KeptStatistics, running_statistics_move),
        (_HiddenState, all_state_is_saved),
        (_IdleTeacher, other_state_moves_after_steps_only),
        (_HastyTeacher, other_state_moves_after_steps_only),
        (_GlobalRandomness, same_batch_same_loss),
        (_WrongPairs, it_learns),
        (_SecretSecondView, it_learns),
    ],
)
def test_a_broken_method_is_caught(broken: Callable[[Method], Method], promise: Callable[[Method], None]) -> None:
    method = broken(build(SimCLROptions.model_validate(PROJECTOR)))
    with pytest.raises(AssertionError):
        promise(method)
