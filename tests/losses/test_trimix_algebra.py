"""What algebra says about TriMix's terms: why targets come from the other view, which extraction fits which base."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from references.mixing import two
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cosine_similarity

from medtrimix.losses.barlow_twins import barlow_twins
from medtrimix.losses.consistency import cosine_consistency
from medtrimix.losses.extraction import soft_assignment, unmix
from medtrimix.losses.nt_xent import nt_xent_per_sample

SHARE = torch.tensor(0.8, dtype=torch.float64)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(loss: Callable[[Tensor], Tensor], virtual: Tensor) -> Tensor:
    leaf = virtual.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(leaf), leaf)
    return slope


def squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(dim=1)


def angle(a: Tensor, b: Tensor) -> Tensor:
    return 1 - cosine_similarity(a, b, dim=1)


def test_with_squares_and_same_view_targets_soft_assignment_is_self_consistency() -> None:
    """The two, w |v - a|^2 + (1 - w) |v - b|^2 and |v - (w a + (1 - w) b)|^2, differ by a constant."""
    virtual, z1, z2 = normal(3, 6, 4, seed=0)
    partner = torch.tensor([1, 2, 3, 4, 5, 0])
    consistency = gradient(lambda v: squared(v, SHARE * z1 + (1 - SHARE) * z1[partner]).mean(), virtual)
    extraction = partial(soft_assignment, **two(SHARE, partner), pair_loss=squared)
    torch.testing.assert_close(gradient(lambda v: extraction(v, z1), virtual), consistency)
    assert not torch.allclose(gradient(lambda v: extraction(v, z2), virtual), consistency, rtol=0.1)  # other view: news


def test_with_cosines_and_same_view_targets_soft_assignment_is_self_consistency() -> None:
    """The cosine is linear in its unit target: the gradients of a row differ by the length of the mixed target only."""
    virtual, z1, z2 = normal(3, 6, 4, seed=1)
    partner = torch.tensor([1, 2, 3, 4, 5, 0])
    unit = torch.nn.functional.normalize(z1, dim=1)
    length = (SHARE * unit + (1 - SHARE) * unit[partner]).norm(dim=1, keepdim=True)
    consistency = gradient(lambda v: cosine_consistency(v, z1, **two(SHARE, partner)), virtual)
    extraction = partial(soft_assignment, **two(SHARE, partner), pair_loss=angle)
    torch.testing.assert_close(gradient(lambda v: extraction(v, z1), virtual), length * consistency)
    assert not torch.allclose(gradient(lambda v: extraction(v, z2), virtual), length * consistency, rtol=0.1)


def best_ratio(images: Tensor, *, pair_loss: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The mixture cos(t) : sin(t) of own and other image that soft assignment at weight .8 likes best."""
    partner = torch.arange(len(images)).roll(-1)

    def loss(t: float) -> float:
        virtual = math.cos(t) * images + math.sin(t) * images[partner]
        return float(soft_assignment(virtual, images, **two(SHARE, partner), pair_loss=pair_loss))

    return 1 / math.tan(least(loss))


def least(loss: Callable[[float], float]) -> float:
    """The angle from 0 to 90 degrees where the loss is least, radians."""
    return float(minimize_scalar(lambda t: loss(float(t)), bounds=(0.0, math.pi / 2), method="bounded").x)


def test_soft_assignment_contradicts_self_consistency_with_barlow_twins() -> None:
    """Correlations are cos(t) and sin(t): .8 (1 - cos t)^2 + .2 (1 - sin t)^2 is least at 1.5 : 1, not at 4 : 1."""
    angle_of_formula = least(lambda t: 0.8 * (1 - math.cos(t)) ** 2 + 0.2 * (1 - math.sin(t)) ** 2)
    assert 1 / math.tan(angle_of_formula) == pytest.approx(1.5, abs=0.01)
    independent = normal(20_000, 8, seed=3)  # chance correlations of 1/sqrt(20,000) = .007 move the ratio a little
    diagonal_only = partial(barlow_twins, off_diagonal_weight=0.0)
    assert best_ratio(independent, pair_loss=diagonal_only) == pytest.approx(1.5, abs=0.05)


def test_soft_assignment_agrees_with_self_consistency_with_nt_xent() -> None:
    """At temperature .5 it likes 4.11 : 1 among 128 perpendicular images mixed 4 : 1; at .1 it likes something else."""
    images = torch.eye(128, dtype=torch.float64)
    assert best_ratio(images, pair_loss=partial(nt_xent_per_sample, temperature=0.5)) == pytest.approx(4.0, abs=0.15)
    assert abs(best_ratio(images, pair_loss=partial(nt_xent_per_sample, temperature=0.1)) - 4.0) > 1.0


def test_unmix_of_an_exactly_linear_map_has_no_loss_on_the_diagonal() -> None:
    """Then r_a = w z1 and r_b = (1 - w) z1[p]; standardising takes the factor away. Soft assignment keeps a loss."""
    z = 1e4 * normal(32, 5, seed=4)
    partner = torch.randperm(32, generator=torch.Generator().manual_seed(4))
    virtual = SHARE * z + (1 - SHARE) * z[partner]
    given = {
        **two(SHARE, partner),
        "pair_loss": partial(barlow_twins, off_diagonal_weight=0.0),
    }
    assert float(unmix(virtual, z, z, **given)) == pytest.approx(0.0, abs=1e-12)
    assert float(soft_assignment(virtual, z, **given)) > 0.1
