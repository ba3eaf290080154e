"""What every encoder promises, in 2D and 3D. One is enrolled by standing in the table; broken ones don't pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from medtrimix.methods.method import ViewBatch
from medtrimix.methods.options import SimCLROptions, TriMixOptions
from medtrimix.methods.table import build_method
from medtrimix.nets.batchnorm import running_statistics_kept
from medtrimix.nets.encoder import BACKBONES, Encoder, build_encoder
from medtrimix.nets.memory import channels_last, weights_channels_last
from medtrimix.nets.options import EncoderName, EncoderOptions, ProjectorOptions
from medtrimix.nets.weights import load_encoder, save_encoder

SIZES = {"pictures": (28, 28), "larger pictures": (40, 36), "volumes": (12, 16, 14), "larger volumes": (6, 18, 20)}
"""Both stems; sides that halve to odd ones, and few slices."""
CHANNELS = 2


def build(name: str, size: tuple[int, ...], *, seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    options = EncoderOptions.model_validate({"name": name, "width": 0.125})
    return build_encoder(options, channels=CHANNELS, image_size=size)


def images(encoder: Encoder, *, count: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, CHANNELS, *encoder.spec.image_size, generator=generator)


def one_embedding_per_image(encoder: Encoder) -> None:
    embedding = encoder(images(encoder, count=3))
    assert embedding.shape == (3, encoder.dim)
    assert embedding.dtype == torch.float32
    assert embedding.isfinite().all()


def two_images_are_a_batch(encoder: Encoder) -> None:
    encoder(images(encoder, count=2)).square().mean().backward()
    gradients = [parameter.grad for parameter in encoder.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def other_sizes_can_be_fed(encoder: Encoder) -> None:
    size = [side + 5 for side in encoder.spec.image_size]
    assert encoder(torch.randn(2, CHANNELS, *size)).shape == (2, encoder.dim)


def gradients_reach_every_parameter(encoder: Encoder) -> None:
    (encoder(images(encoder, count=8)) ** 3).sum().backward()
    names = [name for name, p in encoder.named_parameters() if p.grad is None or float(p.grad.abs().max()) < 1e-7]
    assert names == []


def weights_are_those_of_the_seed(encoder: Encoder) -> None:
    spec = encoder.spec
    same, other = (build(spec.options.name, spec.image_size, seed=seed).state_dict() for seed in (0, 1))
    state = encoder.state_dict()
    assert all(torch.equal(state[name], same[name]) for name in same)
    drawn = [name for name in state if state[name].ndim > 1]
    assert [name for name in drawn if torch.equal(state[name], other[name])] == []


def the_same_comes_back_from_disk(encoder: Encoder) -> None:
    encoder(images(encoder, count=8))  # running statistics that are not those of a fresh network
    with TemporaryDirectory() as folder:
        save_encoder(weights_channels_last(encoder), stem=Path(folder) / "encoder")
        loaded = weights_channels_last(load_encoder(stem=Path(folder) / "encoder"))
    assert loaded.spec == encoder.spec
    assert torch.equal(loaded.eval()(images(encoder, count=3)), encoder.eval()(images(encoder, count=3)))


def neighbours_have_no_say_in_use(encoder: Encoder) -> None:
    """After training, an image's embedding does not depend on the others, nor on the generator."""
    encoder(images(encoder, count=8))
    image = images(encoder.eval(), count=4)
    torch.testing.assert_close(encoder(image)[:2], encoder(image[:2]), rtol=1e-4, atol=1e-5)


def the_same_pass_twice(encoder: Encoder) -> None:
    """No dropout: the loss of a batch is decided by the batch alone."""
    assert torch.equal(encoder(images(encoder, count=4)), encoder(images(encoder, count=4)))


def statistics_can_be_kept(encoder: Encoder) -> None:
    before = copy.deepcopy(encoder.state_dict())
    with running_statistics_kept(encoder):
        encoder(images(encoder, count=4))
    assert [name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])] == []


def the_order_in_memory_changes_nothing(encoder: Encoder) -> None:
    """Gradients of the narrowest network are those of double precision: where torch 2.13 has corrupted memory."""
    image = images(encoder, count=16)
    expected = _gradient(copy.deepcopy(encoder).double(), image.double())
    seen = _gradient(weights_channels_last(encoder), channels_last(image)).double()
    assert float((seen - expected).norm() / expected.norm()) < 0.03  # maps of one pixel


def _gradient(encoder: Encoder, image: Tensor) -> Tensor:
    encoder(image).square().mean().backward()
    return torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None])


def stages_follow_each_other(encoder: Encoder) -> None:
    """Four of them; what each puts out has the batch first and decides the embedding, also of a copy."""
    twin = copy.deepcopy(encoder)
    assert len(encoder.stages) == len(set(encoder.stages)) == 4
    assert set(encoder.stages).isdisjoint(twin.stages)
    image, passed = images(twin, count=3), []
    plain = twin(image)
    for number, stage in enumerate(twin.stages):
        stage.register_forward_hook(lambda _module, _given, maps, number=number: passed.append((number, len(maps))))
    twin(image)
    assert passed == [(number, 3) for number in range(4)]
    for stage in twin.stages:
        handle = stage.register_forward_hook(lambda _module, _given, maps: maps.flip(0))
        torch.testing.assert_close(twin(image), plain.flip(0), rtol=1e-2, atol=1e-3)
        handle.remove()


def every_place_of_trimix_can_mix(encoder: Encoder) -> None:
    projector = ProjectorOptions(hidden_dim=16, dim=8)
    for place in ("images", "features", *["hidden"] * 4):
        step = 4 if place != "hidden" else step + 1  # noqa: F821  (the four stages in turn)
        options = TriMixOptions.model_validate({"base": SimCLROptions(projector=projector), "mixing": place})
        method = build_method(options, encoder=encoder)
        views = (images(encoder, count=4, seed=seed) for seed in (1, 2))
        total = method(ViewBatch(*views, progress=0.5, seed=3, step=step)).total
        total.backward()
        assert total.isfinite()


CONTRACT = (
    one_embedding_per_image,
    two_images_are_a_batch,
    other_sizes_can_be_fed,
    gradients_reach_every_parameter,
    weights_are_those_of_the_seed,
    the_same_comes_back_from_disk,
    neighbours_have_no_say_in_use,
    the_same_pass_twice,
    statistics_can_be_kept,
    the_order_in_memory_changes_nothing,
    stages_follow_each_other,
    every_place_of_trimix_can_mix,
)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in ("resnet34", "resnet50")])
@pytest.mark.parametrize("promise", CONTRACT)
def test_encoder(name: str, promise: Callable[[Encoder], None], size: tuple[int, ...]) -> None:
    promise(build(name, size))


@pytest.mark.parametrize("name", ["resnet34", "resnet50"])
@pytest.mark.parametrize("promise", CONTRACT)
def test_deeper_encoders_of_a_kind_that_is_tested_above(name: str, promise: Callable[[Encoder], None]) -> None:
    promise(build(name, SIZES["pictures"]))


def test_the_table_has_every_name_that_can_be_asked_for() -> None:
    assert set(BACKBONES) == set(get_args(EncoderName))


class _Broken(Encoder):
    """An encoder with a layer of its own on top."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(build("resnet10", SIZES["pictures"]).spec)
        self.top = nn.Linear(self.dim, self.dim)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        return super().forward(image_BCHW)


class _Dropout(_Broken):
    def forward(self, image_BCHW: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(image_BCHW))


class _WrongLength(_Broken):
    def forward(self, image_BCHW: Tensor) -> Tensor:
        return super().forward(image_BCHW)[:, 1:]


class _Crowd(_Broken):
    def forward(self, image_BCHW: Tensor) -> Tensor:
        embedding_BE = super().forward(image_BCHW)
        return embedding_BE - embedding_BE.mean(dim=0)


class _OwnCount(_Broken):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        self.passes = self.passes + 1
        return super().forward(image_BCHW)


class _SameStage(_Broken):
    @property
    def stages(self) -> tuple[nn.Module, ...]:
        return (self.net.layer1,) * 4


class _OneSize(_Broken):
    def forward(self, image_BCHW: Tensor) -> Tensor:
        assert image_BCHW.shape[2:] == self.spec.image_size
        return super().forward(image_BCHW)


class _Single(_Broken):
    def forward(self, image_BCHW: Tensor) -> Tensor:
        return super().forward(image_BCHW) / (len(image_BCHW) - 2)


class _Coarse(_Broken):
    def forward(self, image_BCHW: Tensor) -> Tensor:
        return super().forward(image_BCHW) * (1.0 if image_BCHW.is_contiguous() else 1.1)


class _NoFile(_Broken):
    def state_dict(self, *_: object, **__: object) -> dict[str, Tensor]:
        return {name: value + 1 for name, value in self.net.state_dict(prefix="net.").items()}


class _Unseeded(_Broken):
    def __init__(self) -> None:
        super().__init__()
        nn.init.normal_(self.net.conv1.weight, generator=torch.Generator().manual_seed(7))


class _NothingToMix(_Broken):
    def forward(self, image_BCHW: Tensor) -> Tensor:
        return super().forward(image_BCHW).detach() * torch.nan


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (_WrongLength, one_embedding_per_image),
        (_Single, two_images_are_a_batch),
        (_OneSize, other_sizes_can_be_fed),
        (_Broken, gradients_reach_every_parameter),
        (_Unseeded, weights_are_those_of_the_seed),
        (_NoFile, the_same_comes_back_from_disk),
        (_Crowd, neighbours_have_no_say_in_use),
        (_Dropout, the_same_pass_twice),
        (_OwnCount, statistics_can_be_kept),
        (_Coarse, the_order_in_memory_changes_nothing),
        (_SameStage, stages_follow_each_other),
        (_NothingToMix, every_place_of_trimix_can_mix),
    ],
)
def test_a_broken_encoder_is_caught(broken: Callable[[], Encoder], promise: Callable[[Encoder], None]) -> None:
    with pytest.raises((AssertionError, TypeError, RuntimeError)):
        promise(broken())
