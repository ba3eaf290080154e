"""Every loss equals its slow literal restatement, in value and gradient; broken losses don't."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import references.losses as slow
import torch
from references.mixing import two
from torch import Tensor

from medtrimix.losses.barlow_twins import barlow_twins, standardise
from medtrimix.losses.consistency import cosine_consistency, standardised_consistency
from medtrimix.losses.extraction import soft_assignment, unmix
from medtrimix.losses.nt_xent import nt_xent, nt_xent_per_sample

Loss = Callable[..., Tensor]

BATCH, DIMS = 5, 3
PERMUTATION = [2, 0, 1, 3, 4]  # a cycle and two rows that meet themselves
PARTNERS = torch.tensor(PERMUTATION)
SHARE = torch.tensor(0.7, dtype=torch.float64)
SHARES = torch.tensor([0.5, 0.6, 0.75, 0.9, 1.0], dtype=torch.float64)


class Case(NamedTuple):
    """A loss of so many embeddings, its restatement, and which input it takes as a constant."""

    inputs: int
    loss: Loss
    reference: Loss
    constant: int | None = None


def contrast(weight: Tensor) -> tuple[dict[str, object], dict[str, object]]:
    return (
        {**two(weight, PARTNERS), "pair_loss": partial(nt_xent_per_sample, temperature=0.5)},
        mixture(weight)[1] | {"pair_loss": partial(slow.nt_xent_per_sample, temperature=0.5)},
    )


def twins(weight: Tensor) -> tuple[dict[str, object], dict[str, object]]:
    fast, reference = mixture(weight)
    literal = partial(slow.barlow_twins, off_diagonal_weight=0.0051)
    return fast | {"pair_loss": barlow_twins}, reference | {"pair_loss": literal}


def mixture(weight: Tensor) -> tuple[dict[str, object], dict[str, object]]:
    return (
        two(weight, PARTNERS),
        {"weights": weight.expand(BATCH).tolist(), "permutation": PERMUTATION},
    )


def mixed(loss: Loss, reference: Loss, *, inputs: int, given: tuple[dict[str, object], dict[str, object]]) -> Case:
    constant = 1 if inputs == 3 or "pair_loss" not in given[0] else None
    return Case(inputs, partial(loss, **given[0]), partial(reference, **given[1]), constant)


CASES = {
    "nt_xent": Case(2, partial(nt_xent, temperature=0.2), partial(slow.nt_xent, temperature=0.2)),
    "barlow_twins": Case(2, barlow_twins, partial(slow.barlow_twins, off_diagonal_weight=0.0051)),
    "soft nt_xent": mixed(soft_assignment, slow.soft_assignment, inputs=2, given=contrast(SHARE)),
    "soft nt_xent, weight per sample": mixed(soft_assignment, slow.soft_assignment, inputs=2, given=contrast(SHARES)),
    "soft barlow_twins": mixed(soft_assignment, slow.soft_assignment, inputs=2, given=twins(SHARE)),
    "unmix nt_xent": mixed(unmix, slow.unmix, inputs=3, given=contrast(SHARE)),
    "unmix nt_xent, weight per sample": mixed(unmix, slow.unmix, inputs=3, given=contrast(SHARES)),
    "unmix barlow_twins": mixed(unmix, slow.unmix, inputs=3, given=twins(SHARE)),
    "cosine": mixed(cosine_consistency, slow.cosine_consistency, inputs=2, given=mixture(SHARE)),
    "cosine, weight per sample": mixed(cosine_consistency, slow.cosine_consistency, inputs=2, given=mixture(SHARES)),
    "standardised": mixed(standardised_consistency, slow.standardised_consistency, inputs=2, given=mixture(SHARE)),
    "standardised, weight per sample": mixed(
        standardised_consistency, slow.standardised_consistency, inputs=2, given=mixture(SHARES)
    ),
}


def embeddings(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(BATCH, DIMS, generator=generator, dtype=torch.float64) for _ in range(count)]


def value_and_gradients(loss: Loss, inputs: list[Tensor]) -> list[Tensor]:
    leaves = [z.clone().requires_grad_() for z in inputs]
    value = loss(*leaves)
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    return [value.detach(), *(torch.zeros(BATCH, DIMS) if g is None else g for g in gradients)]


def assert_agree(loss: Loss, reference: Loss, *, inputs: int) -> None:
    """Float64 to 1e-10, float32 to 1e-5: what rounding leaves of a sum of a few dozen numbers around 1."""
    expected = value_and_gradients(reference, embeddings(inputs))
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        seen = value_and_gradients(loss, [z.to(dtype) for z in embeddings(inputs)])
        for a, b in zip(seen, expected, strict=True):
            torch.testing.assert_close(a.double(), b.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name: str) -> None:
    case = CASES[name]
    assert_agree(case.loss, case.reference, inputs=case.inputs)


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name: str) -> None:
    """Against finite differences. They would see through a stop-gradient, so the input behind it is held fixed."""
    case = CASES[name]
    leaves = [z.requires_grad_(index != case.constant) for index, z in enumerate(embeddings(case.inputs))]
    assert torch.autograd.gradcheck(case.loss, leaves)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.constant is not None])
def test_the_clean_side_is_a_target(name: str) -> None:
    case = CASES[name]
    gradients = value_and_gradients(case.loss, embeddings(case.inputs))[1:]
    assert not gradients[1].any()
    assert gradients[0].any()


def anchors_among_their_own_candidates(z1: Tensor, z2: Tensor) -> Tensor:
    unit = torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
    positive = torch.arange(2 * len(z1)).roll(len(z1))
    return torch.nn.functional.cross_entropy(unit @ unit.T / 0.2, positive)


def correlation_over_one_less(z1: Tensor, z2: Tensor) -> Tensor:
    c = standardise(z1).T @ standardise(z2) / (len(z1) - 1)
    return (c.diagonal() - 1).square().sum() + 0.0051 * (c - torch.diag(c.diagonal())).square().sum()


def unmix_without_stop_gradient(virtual: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    own = barlow_twins(virtual - (1 - SHARE) * z1[PARTNERS], z2)
    return SHARE * own + (1 - SHARE) * barlow_twins(virtual - SHARE * z1, z2[PARTNERS])


def shares_swapped(name: str) -> Loss:
    return partial(CASES[name].loss, **two(1 - SHARE, PARTNERS))


BROKEN: dict[str, tuple[str, Loss]] = {
    "an anchor among its own candidates": ("nt_xent", anchors_among_their_own_candidates),
    "another temperature": ("nt_xent", partial(nt_xent, temperature=0.201)),
    "correlation over B - 1": ("barlow_twins", correlation_over_one_less),
    "another weight off the diagonal": ("barlow_twins", partial(barlow_twins, off_diagonal_weight=0.005)),
    "shares swapped in soft assignment": ("soft nt_xent", shares_swapped("soft nt_xent")),
    "no stop-gradient": ("unmix barlow_twins", unmix_without_stop_gradient),
    "shares swapped in consistency": ("cosine", shares_swapped("cosine")),
    "the other consistency": ("standardised", CASES["cosine"].loss),
    "one weight for all": ("cosine, weight per sample", CASES["cosine"].loss),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_loss_is_caught(fault: str) -> None:
    name, broken = BROKEN[fault]
    with pytest.raises(AssertionError):
        assert_agree(broken, CASES[name].reference, inputs=CASES[name].inputs)
