"""Bias field, noise and erasing: known answers, slow restatements and statistics, in pictures and volumes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import references.augmentation as slow
import torch
from scipy import stats
from torch import Tensor

from medtrimix.augment.bias_field import bias_field, shade
from medtrimix.augment.blur import blur
from medtrimix.augment.erase import erase
from medtrimix.augment.intensity import normalise
from medtrimix.augment.noise import add_noise, add_speckle, take_magnitude
from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.augment.parameters import AugmentParameters, draw, identity
from medtrimix.augment.views import Augmenter

GREY = Normalisation(mean=(0.3,), std=(0.2,))
RGB = Normalisation(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
SIZES = ((9, 12), (5, 8, 6))
IN_2D_AND_3D = pytest.mark.parametrize("sizes", SIZES, ids=["picture", "volume"])
"""x first."""


def grey(value: Tensor | float, normalisation: Normalisation = GREY) -> Tensor:
    """Grey values (0 to 1) as they are normalised, one channel."""
    return (torch.as_tensor(value) - normalisation.mean[0]) / normalisation.std[0]


def shown(view: Tensor) -> np.ndarray:
    """And back."""
    return (view.double() * GREY.std[0] + GREY.mean[0]).numpy()


def changed(count: int, *, axes: int = 2, **values: Any) -> AugmentParameters:
    return replace(
        identity(count, spatial_dims=axes), **{name: torch.as_tensor(value) for name, value in values.items()}
    )


def stored(count: int, *, sizes: tuple[int, ...], channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(8)
    return torch.randint(0, 256, (count, channels, *sizes[::-1]), dtype=torch.uint8, generator=generator)


def drawn(count: int, *, axes: int = 2, **options: Any) -> AugmentParameters:
    chosen = AugmentOptions(preset="none", **options)
    return draw(chosen, seed=0, epoch=0, rows_B=np.arange(count), view=0, spatial_dims=axes)


@IN_2D_AND_3D
def test_a_bias_field_against_the_restatement(sizes: tuple[int, ...]) -> None:
    p = drawn(4, axes=len(sizes), bias_field=0.5)
    expected = [slow.bias_field(heights, sizes=sizes) for heights in p.bias_BA2.tolist()]
    np.testing.assert_allclose(bias_field(p.bias_BA2, sizes=sizes).numpy(), expected, rtol=1e-5)


@IN_2D_AND_3D
def test_the_logarithm_of_a_field_has_mean_0_and_the_promised_deviation(sizes: tuple[int, ...]) -> None:
    """Each of 2 A waves has deviation height / sqrt(2), and heights are uniform: strength / sqrt(6)."""
    fields = bias_field(drawn(4_000, axes=len(sizes), bias_field=0.3).bias_BA2, sizes=sizes).log().flatten(1)
    assert float(fields.mean(dim=1).abs().max()) < 1e-6
    assert float(fields.square().mean().sqrt()) == pytest.approx(0.3 * np.sqrt(2 * len(sizes) / 6), rel=0.02)


@IN_2D_AND_3D
def test_shading_multiplies_grey_values_and_leaves_black_black(sizes: tuple[int, ...]) -> None:
    image = stored(3, sizes=sizes)
    image[:, :, 0] = 0
    p = drawn(3, axes=len(sizes), bias_field=0.4)
    p.bias_BA2[1] = 0
    before = normalise(image, normalisation=GREY)
    seen = before.clone()
    shade(seen, p, normalisation=GREY)
    expected = image.double().numpy() / 255 * bias_field(p.bias_BA2, sizes=sizes)[:, None].numpy()
    np.testing.assert_allclose(shown(seen), expected, atol=1e-6)
    assert torch.equal(seen[1], before[1])
    np.testing.assert_allclose(shown(seen)[:, :, 0], 0, atol=1e-6)


def test_shading_of_colours_is_alike_in_all_channels() -> None:
    image = stored(2, sizes=(6, 5), channels=3)
    seen = normalise(image, normalisation=RGB)
    p = drawn(2, bias_field=0.4)
    shade(seen, p, normalisation=RGB)
    back = seen * torch.tensor(RGB.std).view(3, 1, 1) + torch.tensor(RGB.mean).view(3, 1, 1)
    torch.testing.assert_close(back, image / 255 * bias_field(p.bias_BA2, sizes=(6, 5))[:, None], rtol=0, atol=1e-5)


def test_a_field_by_hand() -> None:
    """Two pixels have their centres at t = 1/4 and 3/4: cos(pi t) = +-sqrt(1/2) and cos(2 pi t) = 0."""
    field = bias_field(torch.tensor([[[0.2, 0.7], [0.0, 0.0]]]), sizes=(2, 1))
    expected = [[[np.exp(0.2 * np.sqrt(0.5)), np.exp(-0.2 * np.sqrt(0.5))]]]
    np.testing.assert_allclose(field.numpy(), expected, rtol=1e-6)


def test_speckle_is_in_proportion_to_the_grey_value() -> None:
    view = grey(torch.tensor([0.0, 0.25, 0.5])).view(3, 1, 1, 1).repeat(1, 1, 90, 90)
    add_speckle(view, changed(3, speckle_std_B=[0.2] * 3, noise_place_B=[0.1, 0.5, 0.8]), normalisation=GREY)
    black, dark, bright = shown(view).reshape(3, -1)
    np.testing.assert_allclose(black, 0, atol=1e-6)
    assert stats.kstest(dark, stats.norm(loc=0.25, scale=0.05).cdf).pvalue > 1e-3
    assert stats.kstest(bright, stats.norm(loc=0.5, scale=0.1).cdf).pvalue > 1e-3


@pytest.mark.parametrize("value", [0.0, 0.05, 0.4])
def test_rician_noise(value: float) -> None:
    """As scipy has it; in black it is Rayleigh's, with mean std * sqrt(pi / 2), far from black nearly normal."""
    std = 0.05
    view = grey(value).repeat(1, 1, 90, 90)
    p = changed(1, noise_std_B=[std], noise_place_B=[0.2], quadrature_std_B=[std], quadrature_place_B=[0.7])
    add_noise(view, p, normalisation=GREY)
    take_magnitude(view, p, normalisation=GREY)
    seen = shown(view).ravel()
    assert stats.kstest(seen, stats.rice(value / std, scale=std).cdf).pvalue > 1e-3
    assert seen.mean() == pytest.approx(slow.rician_mean(value, std=std), rel=0.02)
    assert slow.rician_mean(0, std=std) == pytest.approx(std * np.sqrt(np.pi / 2), rel=1e-6)
    if value < 2 * std:
        assert stats.kstest(seen, stats.norm(loc=value, scale=std).cdf).pvalue < 1e-6  # Gaussian noise would be caught


def test_only_chosen_views_are_made_magnitudes() -> None:
    view = grey(torch.linspace(-0.5, 1, 40)).view(2, 1, 4, 5)
    before = view.clone()
    take_magnitude(view, changed(2, quadrature_std_B=[0.0, 0.1]), normalisation=GREY)
    assert torch.equal(view[0], before[0])
    assert not torch.equal(view[1], before[1])


def test_each_kind_of_noise_has_its_own_numbers() -> None:
    options = {"noise_std": 0.1, "noise_probability": 0.5}
    gaussian, rician, speckle = (drawn(500, noise_kind=kind, **options) for kind in ("gaussian", "rician", "speckle"))
    assert not gaussian.speckle_std_B.any()
    assert not gaussian.quadrature_std_B.any()
    assert torch.equal(rician.noise_std_B, rician.quadrature_std_B)
    assert torch.equal(rician.noise_std_B, gaussian.noise_std_B)
    assert not speckle.noise_std_B.any()
    assert torch.equal(speckle.speckle_std_B, gaussian.noise_std_B)


@IN_2D_AND_3D
def test_an_erased_box_against_the_restatement(sizes: tuple[int, ...]) -> None:
    """Edges are rounded to pixels: a pixel is inside if its centre is, and nothing else changes."""
    p = drawn(40, axes=len(sizes), erase_probability=0.7, erase_scale=(0.1, 0.6))
    view = torch.ones(40, 2, *sizes[::-1])
    erase(view, p)
    for image in range(40):
        center, half = p.erase_center_BA[image].tolist(), p.erase_half_BA[image].tolist()
        expected = np.ones(sizes[::-1])
        for place in np.ndindex(expected.shape):
            if half[0] > 0 and slow.in_box(place, center=center, half=half, sizes=sizes):
                expected[place] = 0
        np.testing.assert_array_equal(view[image].numpy(), np.stack([expected, expected]))


@pytest.mark.parametrize(("axes", "side"), [(2, 200), (3, 40)])
def test_the_box_has_the_stated_share_and_place(axes: int, side: int) -> None:
    p = drawn(300, axes=axes, erase_probability=0.5, erase_scale=(0.05, 0.1), erase_ratio=(0.5, 2.0))
    view = torch.ones(300, 1, *[side] * axes)
    erase(view, p)
    share = (view == 0).flatten(1).double().mean(dim=1)
    erased = share > 0
    assert float(erased.double().mean()) == pytest.approx(0.5, abs=0.1)
    assert 0.04 < float(share[erased].min()) < 0.06
    assert 0.09 < float(share[erased].max()) < 0.11
    assert (p.erase_center_BA.abs() + p.erase_half_BA <= 1 + 1e-6).all()


def test_the_smallest_box_is_a_pixel_and_the_largest_the_image() -> None:
    view = torch.ones(2, 1, 4, 4)
    erase(view, changed(2, erase_center_BA=[[0.99, 0.99], [0.0, 0.0]], erase_half_BA=[[0.01, 0.01], [1.0, 1.0]]))
    assert view[0, 0, 3, 3] == 0
    assert view[0].sum() == 15
    assert not view[1].any()


def test_nothing_is_changed_where_nothing_was_chosen() -> None:
    view = torch.randn(3, 1, 8, 8)
    before, nothing = view.clone(), identity(3)
    for change in (shade, add_noise, add_speckle, take_magnitude):
        change(view, nothing, normalisation=GREY)
    blur(view, nothing)
    erase(view, nothing)
    assert torch.equal(view, before)


ONE_AT_A_TIME: dict[str, dict[str, Any]] = {
    "crop": {"crop_scale": (0.3, 0.6)},
    "rotation": {"rotation_degrees": 30.0},
    "flip": {"flip_probability": 0.5, "flip_axes": ("width",)},
    "brightness": {"brightness": 0.2},
    "contrast": {"contrast": 0.3},
    "gamma": {"gamma": 0.5},
    "bias_field": {"bias_field": 0.3},
    "blur": {"blur_probability": 0.5, "blur_sigma": (0.1, 0.2)},
    "noise": {"noise_std": 0.1},
    "speckle": {"noise_std": 0.1, "noise_kind": "speckle"},
    "rician": {"noise_std": 0.1, "noise_kind": "rician"},
    "erase": {"erase_probability": 0.5},
}


@IN_2D_AND_3D
@pytest.mark.parametrize("name", ONE_AT_A_TIME)
def test_an_option_has_an_effect_with_its_probability_and_is_replayed(sizes: tuple[int, ...], name: str) -> None:
    """On uint8 images; each view is another one, the same again when asked for again, alone or in another batch."""
    given = ONE_AT_A_TIME[name]
    switch = {"speckle": "noise", "rician": "noise"}.get(name, name) + "_probability"
    image, rows = stored(300, sizes=sizes), np.arange(300)

    def views(probability: float, *, take: slice = slice(None), epoch: int = 0) -> Tensor:
        options = AugmentOptions(preset="none", **(given | {switch: probability}))
        return Augmenter(options, GREY, seed=4).view(image[take], epoch=epoch, rows_B=rows[take])

    plain = Augmenter(AugmentOptions(preset="none"), GREY, seed=4).view(image, epoch=0, rows_B=rows)

    def share(seen: Tensor) -> float:
        return float(((seen - plain).flatten(1).abs().amax(dim=1) > 1e-6).double().mean())

    half = views(0.5)
    assert share(views(0.0)) == 0
    assert share(half) == pytest.approx(0.5, abs=0.12)
    assert share(views(1.0)) > 0.98
    assert torch.equal(half, views(0.5))
    assert not torch.equal(half, views(0.5, epoch=1))
    torch.testing.assert_close(half[40:60], views(0.5, take=slice(40, 60)), rtol=0, atol=1e-5)


@IN_2D_AND_3D
@pytest.mark.parametrize("preset", ["radiograph", "ultrasound", "ct", "mri", "photo"])
def test_presets_change_every_image_and_stay_in_range(sizes: tuple[int, ...], preset: str) -> None:
    image, rows = stored(64, sizes=sizes), np.arange(64)
    augmenter = Augmenter(AugmentOptions(preset=preset), GREY, seed=1)  # type: ignore[arg-type]
    first, second = (augmenter.view(image, epoch=0, rows_B=rows, view=view) for view in (1, 2))
    assert torch.isfinite(first).all()
    assert float((first - second).flatten(1).abs().amax(dim=1).min()) > 0.05
    grey_values = shown(first)
    assert grey_values.min() > -0.2
    assert grey_values.max() < 2.5  # shading and speckle go beyond white
