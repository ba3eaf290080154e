"""Views: each operation against a slow restatement, replay, and independence of the batch."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import references.augmentation as slow
import torch
from scipy import ndimage, stats
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from medtrimix.augment.blur import blur
from medtrimix.augment.intensity import grey_tables, look_up, normalise
from medtrimix.augment.measure import measure_normalisation
from medtrimix.augment.noise import add_noise
from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.augment.parameters import AugmentParameters, draw, identity
from medtrimix.augment.resample import affine_maps, mirrored, resample
from medtrimix.augment.views import Augmenter, apply, as_pixels

GREY = Normalisation(mean=(0.45,), std=(0.22,))
RGB = Normalisation(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
PLAIN = Normalisation(mean=(0.0,), std=(1.0,))
STRONG = AugmentOptions(preset="photo", noise_std=0.1, shift=0.1, rotation_degrees=40.0)


def pictures(count: int, *, channels: int = 1, height: int = 12, width: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def moved(image: Tensor, parameters: AugmentParameters) -> Tensor:
    return resample(image, affine_maps(parameters, sizes=tuple(image.shape[:1:-1])))


def changed(count: int, **values: Any) -> AugmentParameters:
    return replace(identity(count), **{name: torch.tensor(value) for name, value in values.items()})


@pytest.mark.parametrize(("channels", "normalisation"), [(1, GREY), (3, RGB)])
def test_identity_is_the_normalised_image(channels: int, normalisation: Normalisation) -> None:
    image = pictures(4, channels=channels)
    seen = apply(image, identity(4), normalisation=normalisation)
    torch.testing.assert_close(seen, normalise(image, normalisation=normalisation), rtol=0, atol=2e-5)
    assert np.array_equal(as_pixels(seen, normalisation=normalisation), image.numpy())
    none = Augmenter(AugmentOptions(preset="none"), normalisation, seed=0)
    torch.testing.assert_close(none.view(image, epoch=0, rows_B=np.arange(4)), seen, rtol=0, atol=2e-5)


def test_flip() -> None:
    image = pictures(2).float()
    torch.testing.assert_close(
        moved(image, changed(2, half_size_BA=[[-1.0, 1.0], [1.0, 1.0]])),
        torch.stack([image[0].flip(-1), image[1]]),
        rtol=0,
        atol=1e-3,
    )


@pytest.mark.parametrize(("quarters", "angle"), [(1, torch.pi / 2), (2, torch.pi), (3, -torch.pi / 2)])
def test_quarter_turns(quarters: int, angle: float) -> None:
    image = pictures(1, height=8, width=8).float()
    torch.testing.assert_close(
        moved(image, changed(1, angle_BT=[[angle]])), image.rot90(quarters, dims=(-2, -1)), rtol=0, atol=1e-3
    )


def test_half_turn_and_crop_of_an_oblong_image() -> None:
    """The right half of the lower half, enlarged twice: what interpolation makes of those pixels alone."""
    image = pictures(1, height=8, width=6).float()
    seen = moved(image, changed(1, center_BA=[[0.5, 0.5]], half_size_BA=[[0.5, 0.5]]))
    enlarged = torch.nn.functional.interpolate(image, size=(16, 12), mode="bilinear", align_corners=False)
    torch.testing.assert_close(seen, enlarged[..., 8:, 6:], rtol=0, atol=1e-3)
    torch.testing.assert_close(moved(image, changed(1, angle_BT=[[torch.pi]])), image.flip(-1, -2), rtol=0, atol=1e-3)


def assert_geometry(seen: Tensor, parameters: AugmentParameters, *, image: Tensor) -> None:
    """Positions in float32 are off by some 1e-6 pixels, and neighbours differ by up to 255 grey values."""
    for i in range(len(image)):
        expected = slow.crop(
            image[i, 0].tolist(),
            center=tuple(parameters.center_BA[i].tolist()),
            half_size=tuple(parameters.half_size_BA[i].tolist()),
            angle=float(parameters.angle_BT[i]),
        )
        torch.testing.assert_close(seen[i, 0], torch.tensor(expected), rtol=0, atol=5e-3)


def test_geometry_against_the_restatement() -> None:
    image, parameters = pictures(16).float(), draw(STRONG, seed=0, epoch=0, rows_B=np.arange(16), view=0)
    assert_geometry(moved(image, parameters), parameters, image=image)


@pytest.mark.parametrize("name", ["angle_BT", "center_BA", "half_size_BA"])
def test_geometry_that_goes_the_other_way_is_caught(name: str) -> None:
    image, parameters = pictures(16).float(), draw(STRONG, seed=0, epoch=0, rows_B=np.arange(16), view=0)
    other_way = replace(parameters, **{name: -getattr(parameters, name)})
    with pytest.raises(AssertionError):
        assert_geometry(moved(image, other_way), parameters, image=image)


def test_geometry_against_torch_s_own_grid() -> None:
    """For a square image the map is an affine matrix [[hx cos, -hy sin, cx], [hx sin, hy cos, cy]]."""
    image = pictures(16, height=11, width=11).float()
    p = draw(STRONG, seed=1, epoch=0, rows_B=np.arange(16), view=0)
    (half_x, half_y), cos, sin = p.half_size_BA.T, torch.cos(p.angle_BT[:, 0]), torch.sin(p.angle_BT[:, 0])
    rows = [half_x * cos, -half_y * sin, p.center_BA[:, 0], half_x * sin, half_y * cos, p.center_BA[:, 1]]
    grid = affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), list(image.shape), align_corners=False)
    expected = grid_sample(image, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(moved(image, p), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("channels", "normalisation"), [(1, GREY), (3, RGB)])
def test_grey_values_against_the_restatement(channels: int, normalisation: Normalisation) -> None:
    image = pictures(3, channels=channels, height=4, width=5)
    p = draw(STRONG, seed=0, epoch=0, rows_B=np.arange(3), view=0)
    seen = look_up(image, grey_tables(p, normalisation=normalisation))
    for place in np.ndindex(image.shape):
        row, channel = place[:2]
        shown = slow.grey_value(
            int(image[place]),
            brightness=float(p.brightness_B[row]),
            contrast=float(p.contrast_B[row]),
            gamma=float(p.gamma_B[row]),
        )
        expected = (shown - normalisation.mean[channel]) / normalisation.std[channel]
        assert float(seen[place]) == pytest.approx(expected, abs=1e-5)


def test_black_and_white_survive_gamma() -> None:
    image = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)
    assert look_up(image, grey_tables(changed(1, gamma_B=[1.2]), normalisation=PLAIN)).flatten().tolist() == [0.0, 1.0]


def test_channels_last_images_are_read_as_they_look() -> None:
    image = pictures(3, channels=3)
    parameters = draw(STRONG, seed=0, epoch=0, rows_B=np.arange(3), view=0)
    last = image.contiguous(memory_format=torch.channels_last)
    assert torch.equal(apply(last, parameters, normalisation=RGB), apply(image, parameters, normalisation=RGB))


def test_noise() -> None:
    """Normal numbers of the deviation that was drawn, others for each image, none where it is 0."""
    image = torch.zeros(3, 1, 64, 64)
    parameters = changed(3, noise_std_B=[0.0, 0.02, 0.05], noise_place_B=[0.1, 0.2, 0.9])
    add_noise(image, parameters, normalisation=GREY)
    none, little, more = image.flatten(1).double().numpy()
    assert not none.any()
    assert stats.kstest(little, stats.norm(scale=0.02 / 0.22).cdf).pvalue > 1e-3
    assert stats.kstest(more, stats.norm(scale=0.05 / 0.22).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(little, more)[0, 1]) < 0.1


def test_noise_of_images_larger_than_the_pool() -> None:
    image = torch.zeros(1, 3, 700, 600)
    add_noise(image, changed(1, noise_std_B=[1.0], noise_place_B=[0.999999]), normalisation=RGB)
    assert image.std() > 0


def test_blur_against_scipy() -> None:
    image = pictures(3, channels=2, height=24, width=20).float()
    sigma = 0.06
    seen = image.clone()
    blur(seen, changed(3, blur_sigma_B=[0.0, sigma, 0.0]))
    pixels = sigma * 24
    expected = ndimage.gaussian_filter(
        image[1].double().numpy(), pixels, axes=(1, 2), mode="mirror", radius=int(np.ceil(3 * pixels))
    )
    assert torch.equal(seen[[0, 2]], image[[0, 2]])
    np.testing.assert_allclose(seen[1].numpy(), expected, rtol=0, atol=1e-3)


def test_drawn_parameters_keep_their_promises() -> None:
    options = AugmentOptions(preset="photo", shift=0.1, noise_std=0.05)
    p = draw(options, seed=0, epoch=0, rows_B=np.arange(5_000), view=0)
    half = p.half_size_BA.abs()
    area = half.prod(dim=1)
    assert 0.15 < float(area.min()) < 0.21  # 0.2 of the area, less what does not fit for the stretch
    assert float(area.max()) <= 1.0
    assert (p.center_BA.abs() <= 1 - half + 0.2 + 1e-6).all()
    assert float(p.angle_BT.abs().max()) == pytest.approx(np.deg2rad(10), rel=0.01)
    assert float((p.half_size_BA[:, 0] < 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(p.gamma_B.max()) == pytest.approx(1.2, abs=0.01)
    assert float(p.gamma_B.min()) == pytest.approx(1 / 1.2, abs=0.01)
    assert float((p.blur_sigma_B > 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert 0 <= float(p.noise_std_B.min()) < float(p.noise_std_B.max()) <= 0.05


def same(a: AugmentParameters, b: AugmentParameters) -> bool:
    return all(torch.equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(AugmentParameters))


def test_replay_and_independence_of_the_batch() -> None:
    """A sample's view is the same alone, in another batch, in another place of it, and after a restart."""
    augmenter = Augmenter(STRONG, GREY, seed=9)
    image, rows = pictures(100, height=64, width=64), np.arange(100, 200)  # more than a CPU takes at a time
    whole = augmenter.view(image, epoch=3, rows_B=rows, view=1)
    assert torch.equal(whole, Augmenter(STRONG, GREY, seed=9).view(image, epoch=3, rows_B=rows, view=1))
    shuffled = np.random.default_rng(0).permutation(100)[:50]
    part = augmenter.view(image[shuffled], epoch=3, rows_B=rows[shuffled], view=1)
    torch.testing.assert_close(part, whole[shuffled], rtol=0, atol=1e-5)
    alone = draw(STRONG, seed=9, epoch=3, rows_B=rows[7:8], view=1)
    assert same(alone, draw(STRONG, seed=9, epoch=3, rows_B=rows, view=1).split(1)[7])


@pytest.mark.parametrize("shape", [(2, 1, 300, 300), (9, 3, 20, 16), (5, 1, 24, 20, 28)])
def test_views_made_together_are_those_made_one_by_one(shape: tuple[int, ...]) -> None:
    """Several pieces, several channels, large pictures and volumes."""
    image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    normalisation = RGB if shape[1] == 3 else GREY
    augmenter, given = Augmenter(STRONG, normalisation, seed=9), {"epoch": 3, "rows_B": np.arange(50, 50 + len(image))}
    together = augmenter.views(image, views=(1, 2), **given)
    assert not torch.equal(*together)
    for view, seen in zip((1, 2), together, strict=True):
        assert torch.equal(seen, augmenter.view(image, view=view, **given))


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_of_large_pictures_is_read_from_the_pool_as_that_of_small_ones(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.zeros(3, channels, 30, 20)
    normalisation = RGB if channels == 3 else GREY
    parameters = changed(3, noise_std_B=[0.0, 0.02, 0.05], noise_place_B=[0.1, 0.2, 0.9])
    small, large = image.clone(), image.clone()
    add_noise(small, parameters, normalisation=normalisation)
    monkeypatch.setattr("medtrimix.augment.noise._LARGE", 1)
    add_noise(large, parameters, normalisation=normalisation)
    torch.testing.assert_close(large, small, rtol=1e-6, atol=1e-7)
    assert small[2].std() > 0.1


@pytest.mark.parametrize("other", [{"seed": 2}, {"epoch": 1}, {"view": 1}, {"rows_B": np.arange(4, 8)}])
def test_any_other_seed_epoch_view_or_row_is_another_view(other: dict[str, Any]) -> None:
    given = {"seed": 1, "epoch": 0, "rows_B": np.arange(4), "view": 0}
    assert not same(draw(STRONG, **given), draw(STRONG, **(given | other)))


def test_refuses_what_it_would_misread() -> None:
    for image in (pictures(2).float(), pictures(3), pictures(2, channels=3), pictures(2)[0]):
        with pytest.raises(ValueError, match="expected uint8 images of shape"):
            apply(image, identity(2), normalisation=GREY)


def test_measured_normalisation() -> None:
    images = pictures(600, channels=3).numpy()
    rows = np.arange(0, 600, 2)
    measured = measure_normalisation(images.__getitem__, rows=rows)
    grey = images[rows].astype(np.float64) / 255
    np.testing.assert_allclose(measured.mean, grey.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(measured.std, grey.std(axis=(0, 2, 3)), rtol=1e-12)
    blank = np.zeros((2, 1, 4, 4), dtype=np.uint8)
    assert measure_normalisation(blank.__getitem__, rows=np.arange(2)).std == (1 / 255,)


def test_a_blurred_view_does_not_depend_on_how_far_others_are_blurred() -> None:
    image = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    alone, together = image[:1].clone(), image.clone()
    blur(alone, changed(1, blur_sigma_B=[0.02]))
    blur(together, changed(2, blur_sigma_B=[0.02, 0.15]))
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("ends", [(-1.0, 1.0), (-0.5, 6.5)])
def test_mirrored_positions_are_folded_at_the_ends(ends: tuple[float, float]) -> None:
    low, high = ends
    place = torch.linspace(low - 2.9 * (high - low), high + 2.9 * (high - low), 997)
    cycle = torch.remainder(place - low, 2 * (high - low))
    expected = low + torch.minimum(cycle, 2 * (high - low) - cycle)
    torch.testing.assert_close(mirrored(-place, ends=ends, often=True), expected, rtol=0, atol=1e-5)
    near = place[(place - (low + high) / 2).abs() <= 1.5 * (high - low)]
    inside = (near >= low) & (near <= high)
    assert torch.equal(mirrored(-near, ends=ends, often=False)[inside], near[inside])  # bit by bit
