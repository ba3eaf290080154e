"""Losses of images without label: against literal restatements, by hand, their properties, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import references.semi_supervised as slow
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from medtrimix.losses.agreement import interpolated, prediction_distance
from medtrimix.losses.pseudo_labels import aligned, curriculum_thresholds, is_confident, pseudo_label_loss

BATCH, CLASSES = 7, 3
PERMUTATION, SHARES = [3, 0, 6, 1, 4, 2, 5], [0.0, 0.2, 0.5, 0.6, 0.9, 1.0, 0.3]


def logits(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(BATCH, CLASSES, generator=generator, dtype=torch.float64)


def fixmatch(strong: Tensor, weak: Tensor, *, threshold: float) -> Tensor:
    probability_BK = weak.softmax(dim=1)
    counts_B = is_confident(probability_BK, threshold_B=threshold)
    return pseudo_label_loss(strong, probability_BK, counts_B=counts_B)


def mean_teacher(student: Tensor, teacher: Tensor) -> Tensor:
    return prediction_distance(student, teacher.softmax(dim=1))


def ict(student: Tensor, teacher: Tensor) -> Tensor:
    share_B, partner_B = torch.tensor(SHARES, dtype=torch.float64), torch.tensor(PERMUTATION)
    return prediction_distance(student, interpolated(teacher.softmax(dim=1), share_B=share_B, partner_B=partner_B))


CASES: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "fixmatch": (partial(fixmatch, threshold=0.8), partial(slow.fixmatch, threshold=0.8)),
    "pseudo_label": (partial(fixmatch, threshold=0.0), partial(slow.fixmatch, threshold=0.0)),
    "mean_teacher": (mean_teacher, slow.mean_teacher),
    "ict": (ict, partial(slow.ict, shares=SHARES, permutation=PERMUTATION)),
}


def assert_agree(loss: Callable[..., Tensor], reference: Callable[..., Tensor]) -> None:
    """In value and in the gradient of the student's side; the other side has none."""
    found, expected = [], []
    for function, into in ((loss, found), (reference, expected)):
        student, teacher = logits(1).requires_grad_(), logits(2).requires_grad_()
        value = function(student, teacher)
        into += [value, *torch.autograd.grad(value, [student, teacher], allow_unused=True)]
    torch.testing.assert_close(found[:2], expected[:2], rtol=1e-10, atol=1e-12)
    assert found[2] is None


@pytest.mark.parametrize("name", CASES)
def test_it_is_its_restatement(name: str) -> None:
    assert_agree(*CASES[name])


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("fixmatch", partial(fixmatch, threshold=0.9)),
        ("fixmatch", lambda a, b: fixmatch(b, a, threshold=0.8)),
        ("pseudo_label", lambda a, b: 2 * fixmatch(a, b, threshold=0.0)),
        ("mean_teacher", lambda a, b: prediction_distance(a, b)),
        ("mean_teacher", lambda a, b: (a.softmax(1) - b.softmax(1)).square().mean()),
        ("ict", mean_teacher),
    ],
)
def test_broken_losses_are_caught(name: str, broken: Callable[..., Tensor]) -> None:
    with pytest.raises(AssertionError):
        assert_agree(broken, CASES[name][1])


def test_a_hand_worked_pseudo_label_loss() -> None:
    # Weak views: .96 for class 1 counts at .95, .9 for class 0 does not. The strong view of the first has odds 3 : 1
    # against class 1, so -log(1/4); its mean over both images is log(4) / 2.
    probability_BK = torch.tensor([[0.04, 0.96], [0.9, 0.1]])
    counts_B = is_confident(probability_BK, threshold_B=0.95)
    assert counts_B.tolist() == [True, False]
    logit_BK = torch.tensor([[math.log(3.0), 0.0], [5.0, -5.0]])
    loss = pseudo_label_loss(logit_BK, probability_BK, counts_B=counts_B)
    assert float(loss) == pytest.approx(math.log(4) / 2, rel=1e-6)


def test_a_hand_worked_distance() -> None:
    # Student (.5, .5), teacher (.9, .1): squares .16 and .16, their mean .16.
    found = prediction_distance(torch.zeros(1, 2), torch.tensor([[0.9, 0.1]]))
    assert float(found) == pytest.approx(0.16, rel=1e-6)


def test_a_hand_worked_interpolation() -> None:
    found = interpolated(
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]), share_B=torch.tensor([0.75, 0.5]), partner_B=torch.tensor([1, 0])
    )
    assert found.tolist() == [[0.75, 0.25], [0.5, 0.5]]


def test_hand_worked_thresholds() -> None:
    # 8 images of class 0, 4 of class 1, 3 undecided: beta = 1 and 1/2, T = .9 and .9 * (1/2) / (3/2) = .3.
    found = curriculum_thresholds(torch.tensor([8, 4]), undecided=3, threshold=0.9)
    assert found.tolist() == pytest.approx([0.9, 0.3])
    # With 16 undecided: beta = 1/2 and 1/4, T = .9 / 3 and .9 / 7.
    found = curriculum_thresholds(torch.tensor([8, 4]), undecided=16, threshold=0.9)
    assert found.tolist() == pytest.approx([0.3, 0.9 / 7])


@given(st.lists(st.sampled_from([None, 0, 1, 2]), min_size=1, max_size=30), st.floats(0.1, 0.99))
@settings(max_examples=50, deadline=None)
def test_thresholds_are_those_of_the_algorithm(classes_of: list[int | None], threshold: float) -> None:
    count_K = torch.tensor([classes_of.count(c) for c in range(CLASSES)])
    found = curriculum_thresholds(count_K, undecided=classes_of.count(None), threshold=threshold)
    expected = slow.flexmatch_thresholds(classes_of, classes=CLASSES, threshold=threshold)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    assert 0 <= float(found.min()) <= float(found.max()) <= threshold * (1 + 1e-6)


def test_alignment_is_its_restatement_and_moves_the_mean() -> None:
    probability_BK = logits(3).softmax(dim=1)
    wanted, seen = [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]
    found = aligned(probability_BK, wanted_K=torch.tensor(wanted).double(), seen_K=torch.tensor(seen).double())
    expected = [slow.distribution_alignment(row, wanted=wanted, seen=seen) for row in probability_BK.tolist()]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-9)
    assert float(found.mean(dim=0)[2]) > float(probability_BK.mean(dim=0)[2])


def test_alignment_with_what_is_already_right_changes_nothing() -> None:
    probability_BK = logits(4).softmax(dim=1)
    frequency_K = probability_BK.mean(dim=0)
    torch.testing.assert_close(aligned(probability_BK, wanted_K=frequency_K, seen_K=frequency_K), probability_BK)


@given(st.integers(0, 99), st.floats(0.0, 0.99), st.floats(0.0, 0.99))
@settings(max_examples=30, deadline=None)
def test_a_higher_threshold_never_counts_more(seed: int, one: float, other: float) -> None:
    student, probability_BK = logits(seed), logits(seed + 1).softmax(dim=1)
    low, high = (is_confident(probability_BK, threshold_B=threshold) for threshold in sorted((one, other)))
    assert bool((low | ~high).all())
    losses = [float(pseudo_label_loss(student, probability_BK, counts_B=counts_B)) for counts_B in (low, high)]
    assert losses[0] >= losses[1] >= 0


@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_distance_is_bounded_and_zero_in_agreement(seed: int) -> None:
    student, teacher = logits(seed), 50 * logits(seed + 1)
    assert 0 <= float(mean_teacher(student, teacher)) <= 2 / CLASSES
    assert float(mean_teacher(teacher, teacher)) == pytest.approx(0, abs=1e-20)


def test_bfloat16_logits_are_compared_in_float32() -> None:
    student = logits(5).bfloat16()
    probability_BK = logits(6).softmax(dim=1).float()
    counts_B = torch.ones(BATCH, dtype=torch.bool)
    for loss in (
        pseudo_label_loss(student, probability_BK, counts_B=counts_B),
        prediction_distance(student, probability_BK),
    ):
        assert loss.dtype == torch.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda: pseudo_label_loss(torch.zeros(3, 2), torch.ones(2, 2), counts_B=torch.ones(3)),
        lambda: pseudo_label_loss(torch.zeros(3), torch.ones(3), counts_B=torch.ones(3)),
        lambda: pseudo_label_loss(torch.zeros(3, 2), torch.ones(3, 2), counts_B=torch.ones(2)),
        lambda: prediction_distance(torch.zeros(3, 2), torch.ones(3, 3)),
        lambda: interpolated(torch.zeros(3, 2), share_B=torch.ones(2), partner_B=torch.zeros(3, dtype=torch.int64)),
        lambda: aligned(torch.ones(3, 2), wanted_K=torch.ones(3), seen_K=torch.ones(3)),
        lambda: curriculum_thresholds(torch.tensor([0, 0]), undecided=0, threshold=0.9),
        lambda: curriculum_thresholds(torch.tensor([-1, 2]), undecided=0, threshold=0.9),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], Tensor]) -> None:
    with pytest.raises(ValueError, match="expected"):
        call()
