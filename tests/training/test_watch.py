"""Watching a training changes nothing in it, and sees what there is to see."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from medtrimix.errors import NumericalError
from medtrimix.methods.method import StepLoss
from medtrimix.metrics.definitions import Ints
from medtrimix.training.health import WATCHED, Work, collapse
from medtrimix.training.loop import LoopOptions, make_fabric, train
from medtrimix.training.watch import Labels, Probe, Watcher

IMAGES = torch.randn(80, 6, generator=torch.Generator().manual_seed(5))
ROWS = np.arange(40)


def noisy() -> tuple[nn.Module, nn.Module]:
    """Encoder and projector with batch statistics and dropout: all that a look could disturb."""
    encoder = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3))
    projector = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(0.2))
    return encoder, projector


class Method(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.projector = noisy()

    def forward(self, batch_BE: torch.Tensor) -> StepLoss:
        z_BE = self.projector(self.encoder(batch_BE + 0.1 * torch.randn_like(batch_BE)))
        return StepLoss(total=(z_BE - 1).square().mean(), terms={})


def varied(rows_B: Ints) -> torch.Tensor:
    return IMAGES[rows_B] + torch.randn(len(rows_B), 6)  # draws from the generator that the training uses too


def watcher_of(method: Method, *, labels: Labels | None = None) -> Watcher:
    return Watcher(
        method.encoder,
        projector=method.projector,
        probe=Probe(ROWS, ROWS[:20], lambda rows: IMAGES[rows], varied, images_at_a_time=16, labels=labels),
        work=Work(total_steps=20, steps_per_epoch=5, images_per_step=4000),
        autocast=nullcontext,
        size_counts=True,
    )


LABELS = Labels(bank_N=ROWS, target_N=ROWS % 2, query_M=np.arange(40, 80), truth_M=np.arange(40, 80) % 2, classes=2)


class Monitor:
    """Keeps the curve; `touch` is a look that leaves its marks."""

    def __init__(self, watcher: Watcher | None, *, touch: nn.Module | None = None) -> None:
        self.curve: list[tuple[float, ...]] = []
        self.seen: dict[int, Mapping[str, float]] = {}
        self._watcher, self._touch = watcher, touch

    def rewind(self, step: int) -> None: ...

    def flush(self) -> None: ...

    def should_stop(self) -> bool:
        return False

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None:
        self.curve.append((step, total_steps, *terms.values()))
        if self._watcher is not None and (seen := self._watcher.after(step)):
            self.seen[step] = seen
        if self._touch is not None:
            with torch.no_grad():
                self._touch(IMAGES[:16])  # in training mode


def trained(folder: Path, *, watched: bool, touched: bool = False) -> tuple[Method, Monitor, torch.Tensor]:
    torch.manual_seed(0)
    method = Method()
    monitor = Monitor(watcher_of(method, labels=LABELS) if watched else None, touch=method.encoder if touched else None)
    train(
        method,
        optimizer=torch.optim.AdamW(method.parameters(), lr=1e-2),
        batch_at=lambda step: IMAGES[step : step + 8],
        after_step=lambda _: None,
        fabric=make_fabric(device="cpu", precision="fp32"),
        options=LoopOptions(total_steps=20, warmup_steps=2, checkpoint=folder / "c.pt"),
        monitor=monitor,
    )
    return method, monitor, torch.get_rng_state()


def same(one: Method, other: Method) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_watched_training_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    alone, quiet, state = trained(tmp_path / "a", watched=False)
    method, monitor, watched_state = trained(tmp_path / "b", watched=True)
    assert len(monitor.seen) >= 4
    assert same(method, alone)
    assert monitor.curve == quiet.curve
    assert torch.equal(state, watched_state)
    assert method.training
    assert all(module.training for module in method.modules())


def test_a_look_that_leaves_marks_would_be_seen(tmp_path: Path) -> None:
    alone, _, _ = trained(tmp_path / "a", watched=False)
    touched, _, _ = trained(tmp_path / "b", watched=False, touched=True)
    assert not same(touched, alone)


def test_gradients_modes_and_buffers_are_left_even_when_the_look_fails() -> None:
    torch.manual_seed(0)
    method = Method()
    watcher = watcher_of(method)
    method(IMAGES[:8]).total.backward()
    method.encoder[1].eval()  # a frozen layer, say
    before = copy.deepcopy(method.state_dict())
    gradients = [copy.deepcopy(parameter.grad) for parameter in method.parameters()]
    modes = [module.training for module in method.modules()]
    watcher.after(4)
    method.encoder[0].weight.data.fill_(float("nan"))
    with pytest.raises(NumericalError, match="NaN or infinite"):
        watcher.after(4)
    method.encoder[0].weight.data.copy_(before["encoder.0.weight"])
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert [module.training for module in method.modules()] == modes
    for parameter, gradient in zip(method.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, gradient)


def test_what_is_seen_depends_on_the_weights_alone() -> None:
    torch.manual_seed(0)
    method = Method()
    watcher = watcher_of(method, labels=LABELS)
    first = watcher.after(19)
    assert watcher.after(19) == first
    assert set(first) == set(WATCHED)
    assert first["projector_spread"] == pytest.approx(1.0), "nothing was learnt yet"
    with torch.no_grad():
        method.projector[1].weight.mul_(0.01)
        method.projector[1].bias.fill_(1.0)
    shrunk = watcher.after(19)
    assert shrunk["projector_spread"] == pytest.approx(0.01, rel=1e-3)
    assert shrunk["projector_feature_std"] < 0.02 < first["projector_feature_std"]
    assert shrunk["rankme"] == first["rankme"]


def test_features_that_lag_behind_in_evaluation_mode_alone_are_no_collapse() -> None:
    """Running statistics far from the batch's make them all alike; where the weights do, it is a collapse."""
    torch.manual_seed(0)
    method = Method()
    watcher = watcher_of(method)
    method.encoder[1].running_mean.fill_(1e3)
    lagging = watcher.after(4)
    assert "the encoder's features" in collapse(lagging, limits=watcher.limits)
    assert watcher.collapsed(lagging) == ""
    assert all(module.training for module in method.modules())
    method.encoder[0].weight.data.zero_()
    assert "of the encoder's features is 1, below 2" in watcher.collapsed(watcher.after(4))


def test_the_second_look_compares_sizes_with_those_of_the_first_weights() -> None:
    torch.manual_seed(0)
    method = Method()
    method.projector[1] = nn.Identity()  # the size of what comes in shows in what comes out
    method.encoder[1].running_var.fill_(1e4)
    watcher = watcher_of(method)
    with torch.no_grad():
        method.projector[0].weight.mul_(0.1)
        method.projector[0].bias.mul_(0.1)
        method.encoder[1].running_mean.fill_(1e6)  # alike in evaluation mode
    assert "size, compared with the untrained network, of the projector's output is 0.1," in watcher.collapsed(
        watcher.after(4)
    )


def test_a_step_that_is_not_due_is_not_looked_at() -> None:
    torch.manual_seed(0)
    method = Method()
    probe = Probe(ROWS, ROWS[:20], lambda rows: IMAGES[rows], varied, images_at_a_time=16, labels=None)
    work = Work(total_steps=20, steps_per_epoch=5, images_per_step=8)
    watcher = Watcher(method.encoder, projector=None, probe=probe, work=work, autocast=nullcontext, size_counts=False)
    assert [step for step in range(20) if watcher.after(step)] == [4, 9, 19]


def test_neighbours_see_labels_that_the_features_know() -> None:
    method = Method()
    sign = (IMAGES[:, 0] > 0).long().numpy()
    knowing = Labels(ROWS, sign[ROWS], np.arange(40, 80), sign[40:], classes=2)
    chance = Labels(ROWS, sign[ROWS], np.arange(40, 80), np.random.default_rng(0).permutation(sign[40:]), classes=2)
    torch.manual_seed(0)
    values = [watcher_of(method, labels=labels).after(19)["knn_val_auc"] for labels in (knowing, chance)]
    assert values[0] > 0.75 > values[1]


def test_without_a_projector_only_features_are_watched() -> None:
    method = Method()
    probe = Probe(ROWS, ROWS[:20], lambda rows: IMAGES[rows], varied, images_at_a_time=16, labels=None)
    watcher = Watcher(
        method.encoder,
        projector=None,
        probe=probe,
        work=Work(20, 5, 4000),
        autocast=nullcontext,
        size_counts=True,
    )
    assert set(watcher.after(19)) == {"rankme", "feature_std", "alignment", "uniformity"}
    assert watcher.limits.embeddings == 0
