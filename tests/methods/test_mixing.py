"""Mixing: proportions, partners, replay."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from scipy import stats

from medtrimix.errors import NumericalError
from medtrimix.methods.blends import cutmix, mix_frequencies
from medtrimix.methods.mixing import Mixing, draw_mixing, mix, with_near_partners


def weights(count: int, *, alpha: float) -> np.ndarray:
    mixing = draw_mixing(count, alpha=alpha, lambda_per="sample", seed=0, step=0)
    return mixing.share[0].double().numpy()


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
    assert torch.equal(first.share, draw(3, 4).share)
    assert torch.equal(first.row_KB, draw(3, 4).row_KB)
    for other in (draw(3, 5), draw(4, 4), draw(4, 3)):
        assert not torch.equal(first.share, other.share)
        assert not torch.equal(first.row_KB, other.row_KB)


def test_shapes() -> None:
    for originals in (2, 3):
        batch, sample = (
            draw_mixing(6, alpha=1.0, lambda_per=per, seed=0, step=0, originals=originals)
            for per in ("batch", "sample")
        )
        assert batch.share.shape == (originals,)
        assert sample.share.shape == (originals, 6)
        assert batch.share.dtype == sample.share.dtype == torch.float32
        assert batch.row_KB[0].tolist() == list(range(6))
        assert sorted(batch.row_KB[-1].tolist()) == list(range(6))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_three_originals_share_a_sorted_dirichlet(alpha: float) -> None:
    share_KB = draw_mixing(4_000, alpha=alpha, lambda_per="sample", seed=0, step=0, originals=3).share
    torch.testing.assert_close(share_KB.sum(dim=0), torch.ones(4_000))
    assert bool((share_KB[:-1] >= share_KB[1:]).all())
    expected = np.sort(np.random.default_rng(1).dirichlet([alpha] * 3, size=4_000), axis=1)[:, ::-1].mean(axis=0)
    np.testing.assert_allclose(share_KB.mean(dim=1), expected, atol=0.01)


def pair(share: torch.Tensor) -> Mixing:
    """Two images that are each other's partner; `share` of the own one, () or (2,)."""
    return Mixing(share=torch.stack([share, 1 - share]), row_KB=torch.tensor([[0, 1], [1, 0]]))


def test_virtual_images_by_hand() -> None:
    """Images of 0 and 8: .75 * 0 + .25 * 8 = 2, .75 * 8 + .25 * 0 = 6; per sample .5 and 1: 4 and 8."""
    view = torch.tensor([0.0, 8.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    both = mix(view, mixing=pair(torch.tensor(0.75)))
    each = mix(view, mixing=pair(torch.tensor([0.5, 1.0])))
    assert both.shape == view.shape
    assert both[:, 0, 0, 0].tolist() == [2.0, 6.0]
    assert each[:, 2, 3, 1].tolist() == [4.0, 8.0]


def test_three_images_by_hand() -> None:
    """.5 * 0 + .3 * 10 + .2 * 20 = 7, and so on round the circle."""
    rows = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    mixing = Mixing(share=torch.tensor([0.5, 0.3, 0.2]), row_KB=rows)
    torch.testing.assert_close(
        mix(torch.tensor([[0.0], [10.0], [20.0]]), mixing=mixing).flatten(), torch.tensor([7.0, 11.0, 12.0])
    )


def test_volumes_and_features_mix_alike() -> None:
    mixing = pair(torch.tensor([0.5, 0.6]))
    values = torch.randn(2, 3)
    volumes = mix(values.view(2, 3, 1, 1, 1).expand(2, 3, 2, 2, 2), mixing=mixing)
    torch.testing.assert_close(volumes[..., 1, 0, 1], mix(values, mixing=mixing))


def test_near_partners_are_near() -> None:
    """Two clusters of ten: a near partner is from the own cluster and never the image itself."""
    cluster_B = torch.arange(20) % 2
    embedding_BE = torch.nn.functional.one_hot(cluster_B, 2) + 0.1 * torch.rand(20, 2)
    drawn = draw_mixing(20, alpha=1.0, lambda_per="batch", seed=0, step=0)
    near = with_near_partners(drawn, embedding_BE=embedding_BE.float(), seed=0, step=0)
    assert torch.equal(near.share, drawn.share)
    assert torch.equal(cluster_B[near.row_KB[1]], cluster_B)
    assert not bool((near.row_KB[1] == torch.arange(20)).any())
    assert not torch.equal(cluster_B[drawn.row_KB[1]], cluster_B)  # random ones are not
    again = with_near_partners(drawn, embedding_BE=embedding_BE.float(), seed=0, step=0)
    assert torch.equal(near.row_KB, again.row_KB)
    other = with_near_partners(drawn, embedding_BE=embedding_BE.float(), seed=0, step=1)
    assert not torch.equal(near.row_KB, other.row_KB)


@pytest.mark.parametrize("originals", [2, 3])
def test_every_image_is_a_near_partner_once(originals: Literal[2, 3]) -> None:
    """Or a contrastive loss would have the same embedding as the positive and among the negatives."""
    drawn = draw_mixing(64, alpha=1.0, lambda_per="sample", seed=0, step=0, originals=originals)
    embedding_BE = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    near = with_near_partners(drawn, embedding_BE=embedding_BE, seed=0, step=0)
    for row_B in near.row_KB:
        assert sorted(row_B.tolist()) == list(range(64))
    unit_BE = torch.nn.functional.normalize(embedding_BE, dim=1)

    def likeness(mixing: Mixing) -> float:
        return float((unit_BE * unit_BE[mixing.row_KB[1]]).sum(dim=1).mean())

    assert likeness(near) > 0.5
    assert abs(likeness(drawn)) < 0.2  # random ones are not alike


def test_features_that_are_no_numbers_have_no_neighbours() -> None:
    drawn = draw_mixing(4, alpha=1.0, lambda_per="batch", seed=0, step=7)
    for value in (float("nan"), float("inf")):
        with pytest.raises(NumericalError, match=r"at batch 7\. Lower the learning rate"):
            with_near_partners(drawn, embedding_BE=torch.tensor([[1.0, value]] * 4), seed=0, step=7)


@pytest.mark.parametrize("shape", [(16, 12), (8, 10, 6)], ids=["pictures", "volumes"])
def test_cutmix_pastes_a_box_of_the_area_it_says(shape: tuple[int, ...]) -> None:
    view = torch.arange(2.0).view(2, 1, *[1] * len(shape)).expand(2, 1, *shape)
    for step in range(8):
        mixed, mixing = cutmix(view, mixing=pair(torch.tensor(0.7)), seed=0, step=step)
        pasted = (mixed != view).float()
        torch.testing.assert_close(pasted.flatten(1).mean(dim=1), mixing.share[1].expand(2))
        assert float(mixing.share[0]) == pytest.approx(0.7, abs=0.12)  # rounded to whole pixels
        for image in pasted[:, 0]:
            corners = image.nonzero()
            assert int((corners.amax(0) - corners.amin(0) + 1).prod()) == len(corners)  # a full box


@pytest.mark.parametrize("shape", [(16, 12), (8, 10, 6)], ids=["pictures", "volumes"])
def test_each_frequency_is_one_images_or_the_others(shape: tuple[int, ...]) -> None:
    view = torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(0))
    axes = tuple(range(2, view.ndim))
    mixed = mix_frequencies(view, mixing=pair(torch.tensor(0.7)), seed=0, step=0)
    spectrum, own = (torch.fft.fftn(image, dim=axes).flatten(1) for image in (mixed, view))
    is_own, is_other = ((spectrum - one).abs() < 1e-3 for one in (own, own.flip(0)))
    torch.testing.assert_close(spectrum[:, 0], 0.7 * own[:, 0] + 0.3 * own.flip(0)[:, 0])
    assert bool((is_own | is_other)[:, 1:].all())
    assert float(is_own[:, 1:].float().mean()) == pytest.approx(0.7, abs=0.12)


def test_frequencies_are_mixed_in_bfloat16_too() -> None:
    """CUDA's autocast lifts nothing for a Fourier transform; here there is no autocast at all."""
    view = torch.randn(2, 1, 16, 12, generator=torch.Generator().manual_seed(0)).bfloat16()
    given = {"mixing": pair(torch.tensor(0.7)), "seed": 0, "step": 0}
    mixed = mix_frequencies(view, **given)
    assert mixed.dtype == torch.bfloat16
    assert torch.equal(mixed, mix_frequencies(view.float(), **given).bfloat16())
    double = mix_frequencies(view.double(), **given)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), mix_frequencies(view.float(), **given))
