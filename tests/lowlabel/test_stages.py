"""What of an encoder is trained, how fast, and as what: for every family, on pictures and volumes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from toys import held_out, quiet, toy_task

from medtrimix.lowlabel.classifier import Classifier, predict
from medtrimix.lowlabel.network_options import NetworkOptions
from medtrimix.lowlabel.objectives import train
from medtrimix.lowlabel.options import FinetuneOptions
from medtrimix.lowlabel.stages import LowRank, merge_updates, parameter_groups, prepare, stage_of
from medtrimix.nets.encoder import Encoder, build_encoder
from medtrimix.nets.options import EncoderOptions

FAMILIES = [("resnet10", 2), ("resnet50", 2), ("densenet121", 2), ("efficientnet_b0", 2), ("vit", 2)]
FAMILIES += [("resnet10", 3), ("vit", 3)]
SIDE = {2: (28, 28), 3: (12, 12, 12)}
STEPS = {"epochs": 1, "min_steps": 2, "max_steps": 2, "scratch_lr": 1e-2, "encoder_lr": 1e-2}


@cache
def built(name: str, dims: int) -> Encoder:
    torch.manual_seed(0)
    return build_encoder(EncoderOptions(name=name, width=0.125), channels=1, image_size=SIDE[dims])


def classifier_of(name: str, dims: int) -> Classifier:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderOptions(name=name, width=0.125), channels=1, image_size=SIDE[dims])
    return Classifier(encoder, dim=encoder.dim, answers=2)


def images(dims: int) -> Tensor:
    return torch.randn(3, 1, *SIDE[dims], generator=torch.Generator().manual_seed(1))


def encoder_for_toys() -> Encoder:
    return build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(12, 12))


@pytest.mark.parametrize(("name", "dims"), FAMILIES)
def test_stages_follow_one_another_as_images_pass(name: str, dims: int) -> None:
    """Hooks see the layers in the order of a pass; their stages only rise, and all four are there."""
    encoder = built(name, dims).eval()
    stage, order = stage_of(encoder), list[int]()
    for path, layer in encoder.named_modules():
        own = [stage[f"{path}.{weight}"] for weight, _ in layer.named_parameters(recurse=False)]
        if own:
            layer.register_forward_hook(lambda *_, number=own[0]: order.append(number))
    with torch.no_grad():
        encoder(images(dims))
    assert order == sorted(order)
    assert set(order) == set(stage.values()) == {0, 1, 2, 3}


@pytest.mark.parametrize(("name", "dims"), FAMILIES)
@pytest.mark.parametrize("train", ["last_block", "head"])
def test_what_is_not_trained_stays_to_the_last_bit(name: str, dims: int, train: str) -> None:
    classifier = classifier_of(name, dims)
    options = NetworkOptions.model_validate({"train": train})
    prepare(classifier, options=options)
    classifier.train()
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    groups = parameter_groups(classifier, options=options, pretrained=True)
    optimiser = torch.optim.AdamW(groups, lr=1e-2)
    for _ in range(2):
        optimiser.zero_grad()
        classifier(images(dims)).square().sum().backward()
        optimiser.step()
    stage = stage_of(classifier.encoder)
    changed = {key for key, value in classifier.state_dict().items() if not torch.equal(value, before[key])}
    trained = {f"encoder.{key}" for key, number in stage.items() if train == "last_block" and number == 3}
    weights = {key for key, _ in classifier.named_parameters()}
    assert {"head.weight", "head.bias"} <= changed
    assert changed & weights <= trained | {"head.weight", "head.bias"}
    assert not trained or changed & trained
    running = changed - weights
    assert all(any(key.rsplit(".", 1)[0] == name.rsplit(".", 1)[0] for name in trained) for key in running)


@pytest.mark.parametrize(("name", "dims"), FAMILIES)
def test_low_rank_updates_start_at_the_network_learn_and_merge(name: str, dims: int) -> None:
    classifier = classifier_of(name, dims).eval()
    plain = {key: value.clone() for key, value in classifier.state_dict().items()}
    with torch.no_grad():
        expected = classifier(images(dims))
        prepare(classifier, options=NetworkOptions(low_rank=2))
        torch.testing.assert_close(classifier(images(dims)), expected)
    trained = sum(weight.numel() for weight in classifier.parameters() if weight.requires_grad)
    assert trained < sum(value.numel() for value in plain.values()) / 2
    optimiser = torch.optim.AdamW(
        parameter_groups(classifier, options=NetworkOptions(low_rank=2), pretrained=True), lr=1e-2
    )
    for _ in range(2):  # `down` has a gradient only when `up` is no longer 0
        optimiser.zero_grad()
        classifier(images(dims)).square().sum().backward()
        optimiser.step()
    with torch.no_grad():
        learnt = classifier(images(dims))
        merge_updates(classifier)
        torch.testing.assert_close(classifier(images(dims)), learnt, rtol=1e-4, atol=1e-5)
    merged = classifier.state_dict()
    assert merged.keys() == plain.keys()
    moved = [
        (merged[key] - plain[key], plain[key]) for key in plain if key.startswith("encoder") and plain[key].ndim > 1
    ]
    ranks = [  # beyond the rounding of adding to a weight in float32
        int(torch.linalg.matrix_rank(change.flatten(1).double(), atol=1e-6 * float(weight.norm())))
        for change, weight in moved
    ]
    assert max(ranks) in (1, 2)


def test_a_hand_worked_update() -> None:
    # W = 0 of 2 x 1 x 1 x 2; up (1, 2), down (3, 4): their product has rows (3, 4) and (6, 8).
    update = LowRank(torch.zeros(2, 1, 1, 2), rank=1)
    with torch.no_grad():
        update.up.copy_(torch.tensor([[1.0], [2.0]]))
        update.down.copy_(torch.tensor([[3.0, 4.0]]))
        assert update(torch.zeros(2, 1, 1, 2)).tolist() == [[[[3.0, 4.0]]], [[[6.0, 8.0]]]]


def test_a_depthwise_weight_has_no_more_rank_than_it_can() -> None:
    assert LowRank(torch.zeros(8, 1, 3, 3), rank=64).down.shape == (8, 9)


@pytest.mark.parametrize(("pretrained", "peak"), [(True, 2e-4), (False, 1e-3)])
def test_rates_fall_towards_the_stem(pretrained: bool, peak: float) -> None:
    classifier = classifier_of("resnet10", 2)
    options = NetworkOptions(layer_decay=0.5, head_lr=0.01, encoder_lr=2e-4)
    groups = parameter_groups(classifier, options=options, pretrained=pretrained)
    assert [group["lr"] for group in groups] == pytest.approx([peak / 8, peak / 4, peak / 2, peak, 0.01])
    sizes = [sum(weight.numel() for weight in group["params"]) for group in groups[:4]]
    assert sum(sizes) == sum(weight.numel() for weight in classifier.encoder.parameters())
    assert sizes == sorted(sizes)


def test_fresh_updates_learn_as_fast_as_fresh_weights() -> None:
    classifier = classifier_of("resnet10", 2)
    options = NetworkOptions(low_rank=2)
    prepare(classifier, options=options)
    assert parameter_groups(classifier, options=options, pretrained=True)[0]["lr"] == options.scratch_lr


@pytest.mark.parametrize("change", [{"train": "last_block"}, {"train": "head"}, {"low_rank": 2}, {"layer_decay": 0.5}])
def test_finetuning_learns_whatever_is_trained_and_gives_a_plain_network(change: dict[str, object]) -> None:
    task = toy_task(encoder=encoder_for_toys, pretrained=True)
    rows, _ = held_out(task)
    options = FinetuneOptions.model_validate({**STEPS, **change})
    trained = train(task, options=options, hooks=quiet())
    assert (
        trained.state_dict().keys()
        == Classifier(encoder_for_toys(), dim=trained.encoder.dim, answers=2).state_dict().keys()
    )
    assert np.isfinite(predict(trained, rows, task=task)).all()
    full = train(task, options=FinetuneOptions.model_validate(STEPS), hooks=quiet())
    assert not torch.equal(next(full.parameters()), next(trained.parameters()))


def test_low_rank_and_parts_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="does not go with train: head"):
        NetworkOptions(low_rank=2, train="head")


def test_fixed_statistics_stay_fixed_in_copies_and_after_evaluation() -> None:
    classifier = classifier_of("resnet10", 2)
    prepare(classifier, options=NetworkOptions(train="head"))
    classifier.train()
    classifier.eval()
    classifier.train()
    layers = [layer for layer in classifier.modules() if isinstance(layer, _BatchNorm)]
    assert layers
    assert not any(layer.training for layer in layers)
    assert isinstance(classifier.head, nn.Linear)
    assert classifier.head.training
