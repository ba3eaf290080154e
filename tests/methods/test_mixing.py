"""Mixing: proportions, partners, replay."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from medtrimix.methods.mixing import Mixing, draw_mixing, mix


def weights(count: int, *, alpha: float) -> np.ndarray:
    mixing = draw_mixing(count, alpha=alpha, lambda_per="sample", seed=0, step=0)
    return mixing.weight.double().numpy()


def folded_beta(alpha: float) -> object:
    """Distribution function of max(l, 1 - l): P(1 - x < l < x)."""
    return lambda x: stats.beta.cdf(x, alpha, alpha) - stats.beta.cdf(1 - x, alpha, alpha)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_weights_are_a_folded_beta(alpha: float) -> None:
    drawn = weights(2_000, alpha=alpha)
    assert drawn.min() >= 0.5
    assert drawn.max() <= 1.0
    assert stats.kstest(drawn, folded_beta(alpha)).pvalue > 0.01
    assert stats.kstest(drawn, folded_beta(2 * alpha)).pvalue < 1e-6  # the test can tell


def test_same_seed_and_step_same_mixing() -> None:
    def draw(seed: int, step: int) -> Mixing:
        return draw_mixing(64, alpha=1.0, lambda_per="sample", seed=seed, step=step)

    first = draw(3, 4)
    assert torch.equal(first.weight, draw(3, 4).weight)
    assert torch.equal(first.permutation_B, draw(3, 4).permutation_B)
    for other in (draw(3, 5), draw(4, 4), draw(4, 3)):
        assert not torch.equal(first.weight, other.weight)
        assert not torch.equal(first.permutation_B, other.permutation_B)


def test_shapes() -> None:
    batch, sample = (draw_mixing(6, alpha=1.0, lambda_per=per, seed=0, step=0) for per in ("batch", "sample"))
    assert batch.weight.shape == ()
    assert sample.weight.shape == (6,)
    assert batch.weight.dtype == sample.weight.dtype == torch.float32
    assert sorted(batch.permutation_B.tolist()) == list(range(6))


def test_virtual_images_by_hand() -> None:
    """Images of 0 and 8: .75 * 0 + .25 * 8 = 2, .75 * 8 + .25 * 0 = 6; per sample .5 and 1: 4 and 8."""
    view = torch.tensor([0.0, 8.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    swap = torch.tensor([1, 0])
    both = mix(view, mixing=Mixing(weight=torch.tensor(0.75), permutation_B=swap))
    each = mix(view, mixing=Mixing(weight=torch.tensor([0.5, 1.0]), permutation_B=swap))
    assert both.shape == view.shape
    assert both[:, 0, 0, 0].tolist() == [2.0, 6.0]
    assert each[:, 2, 3, 1].tolist() == [4.0, 8.0]


def test_volumes_and_features_mix_alike() -> None:
    mixing = Mixing(weight=torch.tensor([0.5, 0.6]), permutation_B=torch.tensor([1, 0]))
    values = torch.randn(2, 3)
    volumes = mix(values.view(2, 3, 1, 1, 1).expand(2, 3, 2, 2, 2), mixing=mixing)
    torch.testing.assert_close(volumes[..., 1, 0, 1], mix(values, mixing=mixing))
