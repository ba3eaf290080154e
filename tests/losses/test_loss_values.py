"""Values worked out by hand, invariances, precision, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references.mixing import two
from torch import Tensor

from medtrimix.losses.barlow_twins import barlow_twins
from medtrimix.losses.consistency import cosine_consistency, standardised_consistency
from medtrimix.losses.extraction import soft_assignment, unmix
from medtrimix.losses.nt_xent import nt_xent, nt_xent_per_sample

SWAP = torch.tensor([1, 0])


def double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(dim=1)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("temperature", [0.2, 0.5, 1.0])
def test_nt_xent_by_hand(temperature: float) -> None:
    """Two perpendicular images, views equal: each anchor has its twin at 1 and two candidates at 0.

    -log(e^(1/t) / (e^(1/t) + 2 e^0)) = log(1 + 2 e^(-1/t)).
    """
    z = double([3, 0], [0, 0.1])
    assert float(nt_xent(z, z, temperature=temperature)) == pytest.approx(math.log(1 + 2 * math.exp(-1 / temperature)))


def test_nt_xent_of_a_collapsed_network() -> None:
    """All alike: 2B - 1 candidates, equally likely."""
    z = torch.ones(8, 4)
    assert float(nt_xent(z, z, temperature=0.2)) == pytest.approx(math.log(15))


def test_barlow_twins_by_hand() -> None:
    """Two dimensions that say the same: all four correlations are 1, or -1 when a view is mirrored.

    Views equal: diagonal 0 + 0, off the diagonal 2 * 1 * .0051. Mirrored: diagonal (-1 - 1)^2 twice, off as before.
    Numbers of 10^4 make the floor of the variance, 10^-5, vanish.
    """
    z = double([1e4, 1e4], [-1e4, -1e4])
    assert float(barlow_twins(z, z)) == pytest.approx(0.0102)
    assert float(barlow_twins(z, -z)) == pytest.approx(8.0102)


def test_soft_assignment_by_hand() -> None:
    """z_v = 1, 2 and z2 = 0, 4; own: 1, 4; other: 9, 4. Rows: .75 * 1 + .25 * 9 = 3 and .75 * 4 + .25 * 4 = 4."""
    loss = soft_assignment(
        double([1], [2]), double([0], [4]), **two(torch.tensor(0.75), SWAP), pair_loss=squared_distance
    )
    assert float(loss) == pytest.approx(3.5)


def test_unmix_by_hand() -> None:
    """z_v = 1, 2; z1 = 4, 8; z2 = 0, 4; weight .75.

    r_a = 1 - .25 * 8 = -1, 2 - .25 * 4 = 1: own squares 1, 9.
    r_b = 1 - .75 * 4 = -2, 2 - .75 * 8 = -4: squares against 4, 0 are 36, 16.
    Rows: .75 * 1 + .25 * 36 = 9.75 and .75 * 9 + .25 * 16 = 10.75.
    """
    loss = unmix(
        double([1], [2]),
        double([4], [8]),
        double([0], [4]),
        **two(torch.tensor(0.75), SWAP),
        pair_loss=squared_distance,
    )
    assert float(loss) == pytest.approx(10.25)


def test_cosine_consistency_by_hand() -> None:
    """z1 along the axes, weight .8: targets (.8, .2) and (.2, .8), length sqrt(.68).

    z_v = (1, 0): cos = .8 / sqrt(.68). z_v = (1, 1): cos = 1 / (sqrt(2) sqrt(.68)). The lengths 2 and 5 don't count.
    """
    loss = cosine_consistency(double([1, 0], [1, 1]), double([2, 0], [0, 5]), **two(torch.tensor(0.8), SWAP))
    expected = 1 - (0.8 / math.sqrt(0.68) + 1 / math.sqrt(1.36)) / 2
    assert float(loss) == pytest.approx(expected)


def test_standardised_consistency_by_hand() -> None:
    """z1 = 500, 100: mean 300, deviation 200, standardised 1, -1; weight .8: targets .6, -.6.

    z_v = 500, 300 standardised with the same numbers: 1, 0. ((1 - .6)^2 + (0 + .6)^2) / 2 = .26.
    """
    loss = standardised_consistency(double([500], [300]), double([500], [100]), **two(torch.tensor(0.8), SWAP))
    assert float(loss) == pytest.approx(0.26)


@settings(deadline=None, max_examples=30)  # the first call of torch takes longer than the rest together
@given(seed=st.integers(0, 2**32), batch=st.integers(2, 9), dims=st.integers(1, 6))
def test_nt_xent_sees_directions_only_and_no_order(seed: int, batch: int, dims: int) -> None:
    z1, z2 = normal(2, batch, dims, seed=seed)
    loss = nt_xent(z1, z2, temperature=0.5)
    order = torch.randperm(batch, generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(normal(dims, dims, seed=seed + 1)).Q
    lengths = normal(batch, 1, seed=seed + 2).exp()
    for same in ((z2, z1), (z1[order], z2[order]), (z1 @ rotation, z2 @ rotation), (z1 * lengths, z2 / lengths)):
        torch.testing.assert_close(nt_xent(*same, temperature=0.5), loss)


@settings(deadline=None, max_examples=30)  # the first call of torch takes longer than the rest together
@given(seed=st.integers(0, 2**32), batch=st.integers(4, 12), dims=st.integers(1, 6))
def test_barlow_twins_sees_correlations_only_and_no_order(seed: int, batch: int, dims: int) -> None:
    z1, z2 = 100 * normal(2, batch, dims, seed=seed)  # large, so that the floor of the variance does not count
    loss = barlow_twins(z1, z2)
    order = torch.randperm(batch, generator=torch.Generator().manual_seed(seed))
    columns = torch.randperm(dims, generator=torch.Generator().manual_seed(seed))
    scale, shift = normal(dims, seed=seed + 1).exp() + 0.5, normal(dims, seed=seed + 2)
    for same in (
        (z2, z1),
        (z1[order], z2[order]),
        (z1[:, columns], z2[:, columns]),
        (-z1, -z2),
        (z1 * scale + shift, z2),
    ):
        torch.testing.assert_close(barlow_twins(*same), loss, rtol=1e-4, atol=1e-4)


def test_invariances_don_t_hold_for_just_any_change() -> None:
    z1, z2 = normal(2, 6, 4, seed=0)
    assert not torch.isclose(nt_xent(z1 + 1, z2, temperature=0.5), nt_xent(z1, z2, temperature=0.5))
    assert not torch.isclose(barlow_twins(z1.flip(0), z2), barlow_twins(z1, z2))


@settings(deadline=None, max_examples=30)  # the first call of torch takes longer than the rest together
@given(seed=st.integers(0, 2**32), weight=st.floats(0.5, 1.0))
def test_consistency_is_zero_for_the_mixture_itself(seed: int, weight: float) -> None:
    z1 = torch.nn.functional.normalize(normal(6, 4, seed=seed), dim=1)
    share = torch.tensor(weight, dtype=torch.float64)
    partner = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    mixture = share * z1 + (1 - share) * z1[partner]
    for consistency in (cosine_consistency, standardised_consistency):
        assert float(consistency(mixture, z1, **two(share, partner))) == pytest.approx(0.0, abs=1e-9)
        assert float(consistency(mixture.flip(1), z1, **two(share, partner))) > 1e-3


CONTRAST = partial(nt_xent_per_sample, temperature=0.2)
MIXED = two(torch.tensor(0.7), torch.tensor([1, 2, 3, 4, 5, 6, 7, 0]))
LOSSES: dict[str, tuple[int, Callable[..., Tensor]]] = {
    "nt_xent": (2, partial(nt_xent, temperature=0.2)),
    "barlow_twins": (2, barlow_twins),
    "soft_assignment": (2, partial(soft_assignment, **MIXED, pair_loss=CONTRAST)),
    "unmix": (3, partial(unmix, **MIXED, pair_loss=CONTRAST)),
    "cosine_consistency": (2, partial(cosine_consistency, **MIXED)),
    "standardised_consistency": (2, partial(standardised_consistency, **MIXED)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_computed_in_float32_under_autocast(name: str) -> None:
    inputs, loss = LOSSES[name]
    z = [normal(8, 16, seed=i).to(torch.bfloat16).requires_grad_() for i in range(inputs)]
    outside = loss(*(each.float() for each in z))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(*z)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, outside)
    inside.backward()
    assert z[0].grad is not None
    assert z[0].grad.dtype == torch.bfloat16


def test_autocast_would_change_a_plain_product() -> None:
    """What the losses guard against does happen."""
    z = normal(8, 16, seed=0).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (z @ z.T).dtype == torch.bfloat16


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shapes", [((8, 4), (8, 5)), ((8, 4), (7, 4)), ((8, 4, 1), (8, 4, 1)), ((8,), (8,))], ids=str)
def test_refuses_other_shapes(name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    inputs, loss = LOSSES[name]
    first, second = shapes
    with pytest.raises(ValueError, match=r"one shape \(B, E\); got \("):
        loss(*[torch.ones(first)] * (inputs - 1), torch.ones(second))


@pytest.mark.parametrize("name", ["nt_xent", "barlow_twins"])
def test_refuses_a_single_sample(name: str) -> None:
    with pytest.raises(ValueError, match="at least 2 samples; got 1"):
        LOSSES[name][1](torch.ones(1, 4), torch.ones(1, 4))


@pytest.mark.parametrize("extraction", [partial(soft_assignment), partial(unmix, torch.ones(2, 3))])
def test_refuses_weights_per_sample_of_a_loss_of_the_batch(extraction: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match=r"shares per sample, shape \(2, 2\), need a loss per sample"):
        extraction(torch.ones(2, 3), torch.ones(2, 3), **two(torch.ones(2), SWAP), pair_loss=barlow_twins)
