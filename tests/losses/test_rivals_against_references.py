"""The rivals' losses equal their slow literal restatements, in value and gradient; broken ones don't."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import references.rivals as slow
import torch
from references.mixing import two
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss, normalize

from medtrimix.losses.extraction import soft_assignment
from medtrimix.losses.info_nce import contrast_with_queue, n_pair
from medtrimix.losses.mixed_barlow_twins import mixed_correlation
from medtrimix.losses.prediction import cosine_distance
from medtrimix.losses.vicreg import vicreg

Loss = Callable[..., Tensor]

BATCH, DIMS = 5, 3
PERMUTATION = [2, 0, 1, 3, 4]
SHARES = [0.1, 0.6, 0.75, 0.9, 1.0]


def normal(count: int, *, rows: int = BATCH, seed: int = 7) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, DIMS, generator=generator, dtype=torch.float64) for _ in range(count)]


QUEUE = normalize(normal(1, rows=4, seed=9)[0], dim=1)
SHARE = torch.tensor(0.3, dtype=torch.float64)
PARTNERS = torch.tensor(PERMUTATION)
MIXED = two(torch.tensor(SHARES, dtype=torch.float64), PARTNERS)


def mean_of(loss: Loss, *more: Tensor, **given: float) -> Loss:
    return lambda *z: loss(*z, *more, **given).mean()


CASES: dict[str, tuple[int, Loss, Loss]] = {
    "vicreg": (2, vicreg, partial(slow.vicreg, invariance=25.0, variance=25.0, covariance=1.0)),
    "cosine_distance": (2, mean_of(cosine_distance), mean_of(slow.cosine_distance)),
    "n_pair": (2, mean_of(n_pair, temperature=0.2), mean_of(slow.n_pair, temperature=0.2)),
    "i_mix": (
        2,
        partial(soft_assignment, **MIXED, pair_loss=partial(n_pair, temperature=0.2)),
        partial(slow.i_mix, shares=SHARES, permutation=PERMUTATION, temperature=0.2),
    ),
    "contrast_with_queue": (
        2,
        mean_of(contrast_with_queue, QUEUE, temperature=0.2),
        mean_of(slow.contrast_with_queue, QUEUE, temperature=0.2),
    ),
    "mixed_correlation": (
        3,
        partial(mixed_correlation, share=SHARE, permutation_B=PARTNERS),
        partial(slow.mixed_correlation, share=0.3, permutation=PERMUTATION),
    ),
}


def value_and_gradients(loss: Loss, inputs: list[Tensor]) -> list[Tensor]:
    leaves = [z.clone().requires_grad_() for z in inputs]
    value = loss(*leaves)
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    return [value.detach(), *(torch.zeros_like(z) if g is None else g for g, z in zip(gradients, leaves, strict=True))]


def assert_agree(loss: Loss, reference: Loss, *, inputs: int) -> None:
    embeddings = [0.7 * z for z in normal(inputs)]  # deviations below 1, so that VICReg's hinge counts
    expected = value_and_gradients(reference, embeddings)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 2e-5)):
        seen = value_and_gradients(loss, [z.to(dtype) for z in embeddings])
        for a, b in zip(seen, expected, strict=True):
            torch.testing.assert_close(a.double(), b.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name: str) -> None:
    inputs, loss, reference = CASES[name]
    assert_agree(loss, reference, inputs=inputs)


def biased_variance(z1: Tensor, z2: Tensor) -> Tensor:
    hinge = sum(
        (torch.relu(1 - (z.var(dim=0, correction=0) + 1e-4).sqrt()).mean() / 2 for z in (z1, z2)), torch.zeros(())
    )
    rest = vicreg(z1, z2, variance_weight=0.0)
    return rest + 25 * hinge


def no_stop_gradient(prediction: Tensor, target: Tensor) -> Tensor:
    return (2 - 2 * cosine_similarity(prediction, target, dim=1)).mean()


def fixed_mixture(mixed: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    return mixed_correlation(mixed, z1.detach(), z2.detach(), share=SHARE, permutation_B=PARTNERS)


BROKEN: dict[str, tuple[str, Loss]] = {
    "variance over B": ("vicreg", biased_variance),
    "squares summed over dimensions": ("vicreg", lambda a, b: vicreg(a, b) + 25 * (DIMS - 1) * mse_loss(a, b)),
    "no stop-gradient": ("cosine_distance", no_stop_gradient),
    "no direction back": ("n_pair", lambda a, b: n_pair(b, a, temperature=0.2).mean()),
    "shares swapped": (
        "i_mix",
        partial(
            soft_assignment,
            **two(1 - torch.tensor(SHARES, dtype=torch.float64), PARTNERS),
            pair_loss=partial(n_pair, temperature=0.2),
        ),
    ),
    "own key not a candidate": (
        "contrast_with_queue",
        lambda q, k: (
            torch.logsumexp(normalize(q, dim=1) @ QUEUE.to(q.dtype).T / 0.2, dim=1)
            - cosine_similarity(q, k, dim=1) / 0.2
        ).mean(),
    ),
    "no gradient through the clean views": ("mixed_correlation", fixed_mixture),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_loss_is_caught(fault: str) -> None:
    name, broken = BROKEN[fault]
    inputs, _, reference = CASES[name]
    with pytest.raises(AssertionError):
        assert_agree(broken, reference, inputs=inputs)


def double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_vicreg_by_hand() -> None:
    """Views 0, 0 and 2, 0 of variance 2 and 0 over B - 1: deviations 1.41 and .01, so only the second lacks .99.

    No covariance. Against itself: 25 * mean(0, .99) * (1 + 1) / 2 = 12.375. Moved by 1 in one of two dimensions the
    squared difference 1 is averaged to 1/2: 12.5 more.
    """
    z = double([0, 0], [2, 0])
    assert float(vicreg(z, z)) == pytest.approx(12.375)
    assert float(vicreg(z, z + torch.tensor([0.0, 1.0]))) == pytest.approx(24.875)
    both = double([0, 0], [2, 2])  # covariance 2 off the diagonal, twice, squared, over two dimensions, for both views
    assert float(vicreg(both, both)) == pytest.approx(8.0)


def test_cosine_distance_by_hand() -> None:
    """The same direction 0, perpendicular 2, opposite 4."""
    found = cosine_distance(double([1, 0], [1, 0], [1, 0]), double([3, 0], [0, 2], [-1, 0]))
    assert found.tolist() == pytest.approx([0.0, 2.0, 4.0])


def test_contrasts_by_hand() -> None:
    """Two perpendicular pairs at temperature .5: log(1 + e^-2). A queue of both: own key, its copy and one more."""
    z = double([3, 0], [0, 0.1])
    assert n_pair(z, z, temperature=0.5).tolist() == pytest.approx([math.log(1 + math.exp(-2))] * 2)
    queued = contrast_with_queue(z, z, torch.eye(2), temperature=0.5)
    assert queued.tolist() == pytest.approx([math.log(2 + math.exp(-2))] * 2)


def test_mixed_correlation_by_hand() -> None:
    """An exactly linear map has none; the partner's embedding in place of the mixture has 2 |(1 - share) (C - D)|^2."""
    z = 1e4 * double([1], [-1], [1], [-1])
    swap = torch.tensor([2, 3, 0, 1])
    assert float(mixed_correlation(z, z, z, share=SHARE, permutation_B=swap)) == pytest.approx(0.0, abs=1e-9)
    assert float(mixed_correlation(-z, z, z, share=SHARE, permutation_B=swap)) == pytest.approx(8.0)


def test_invariances() -> None:
    z1, z2 = normal(2)
    order = torch.tensor([4, 2, 0, 1, 3])
    rotation = torch.linalg.qr(normal(1, rows=DIMS, seed=3)[0]).Q
    lengths = torch.rand(BATCH, 1, dtype=torch.float64) + 0.5
    shift = torch.tensor([1.0, -2.0, 3.0])
    torch.testing.assert_close(vicreg(z1[order] + shift, z2[order] + shift), vicreg(z1, z2))
    torch.testing.assert_close(vicreg(z2, z1), vicreg(z1, z2))
    assert not torch.isclose(vicreg(z1 @ rotation, z2 @ rotation), vicreg(z1, z2))  # its dimensions count
    for loss in (partial(n_pair, temperature=0.2), cosine_distance):
        torch.testing.assert_close(loss(z1[order], z2[order]), loss(z1, z2)[order])
        torch.testing.assert_close(loss(z1 @ rotation * lengths, z2 @ rotation), loss(z1, z2))
        assert not torch.allclose(loss(z1 + shift, z2), loss(z1, z2))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shapes", [((8, 4), (8, 5)), ((8, 4), (7, 4)), ((1, 3), (1, 3))], ids=str)
def test_refuses_other_shapes(name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    inputs, loss, _ = CASES[name]
    with pytest.raises(ValueError, match=r"must all have one shape|at least 2 samples"):
        loss(*[torch.ones(shapes[0])] * (inputs - 1), torch.ones(shapes[1]))


@pytest.mark.parametrize("name", CASES)
def test_computed_in_float32_under_autocast(name: str) -> None:
    inputs, loss, _ = CASES[name]
    z = [each.to(torch.bfloat16) for each in normal(inputs)]
    outside = loss(*(each.float() for each in z))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(*z), outside)
