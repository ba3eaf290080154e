"""Views of volumes: geometry against torch's own flips and turns and against scipy, grey values as in pictures."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import references.augmentation as slow
import torch
from scipy import ndimage
from torch import Tensor

from medtrimix.augment.blur import blur
from medtrimix.augment.intensity import normalise
from medtrimix.augment.measure import measure_normalisation
from medtrimix.augment.noise import add_noise
from medtrimix.augment.options import AugmentOptions, Axis, Normalisation
from medtrimix.augment.parameters import AugmentParameters, draw, identity
from medtrimix.augment.resample import affine_maps
from medtrimix.augment.resample_volume import resample_volume
from medtrimix.augment.views import Augmenter, apply, as_pixels

GREY = Normalisation(mean=(0.3,), std=(0.2,))
STRONG = AugmentOptions(
    preset="ct",
    rotation_degrees=60.0,
    crop_ratio=(0.7, 1.4),
    shift=0.2,
    flip_probability=0.5,
    flip_axes=("width", "height", "depth"),
)

PICTURE_NUMBERS = [
    0.136107236,
    0.303409755,
    -0.795910358,
    0.623332679,
    -0.107608907,
    0.190412149,
    1.11644983,
    1.18050027,
    0.0841345787,
    0.411591709,
    0.0,
]


def volumes(count: int, *, depth: int = 7, height: int = 10, width: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (count, 1, depth, height, width), dtype=torch.uint8, generator=generator)


def moved(volume: Tensor, parameters: AugmentParameters) -> Tensor:
    return resample_volume(volume, affine_maps(parameters, sizes=tuple(volume.shape[:1:-1])))


def changed(count: int, **values: Any) -> AugmentParameters:
    return replace(identity(count, spatial_dims=3), **{name: torch.tensor(value) for name, value in values.items()})


def test_identity_leaves_a_volume_as_it_is() -> None:
    volume = volumes(3)
    seen = apply(volume, identity(3, spatial_dims=3), normalisation=GREY)
    torch.testing.assert_close(seen, normalise(volume, normalisation=GREY), rtol=0, atol=1e-4)
    assert np.array_equal(as_pixels(seen, normalisation=GREY), volume.numpy())
    none = Augmenter(AugmentOptions(preset="none"), GREY, seed=0)
    torch.testing.assert_close(none.view(volume, epoch=0, rows_B=np.arange(3)), seen, rtol=0, atol=0)


@pytest.mark.parametrize(("axis", "dim"), [(0, -1), (1, -2), (2, -3)])
def test_flip(axis: int, dim: int) -> None:
    volume = volumes(1).float()
    half = [[1.0, 1.0, 1.0]]
    half[0][axis] = -1.0
    torch.testing.assert_close(moved(volume, changed(1, half_size_BA=half)), volume.flip(dim), rtol=0, atol=5e-3)


@pytest.mark.parametrize(("plane", "dims"), [(0, (-2, -1)), (1, (-3, -1)), (2, (-3, -2))])
@pytest.mark.parametrize(("quarters", "angle"), [(1, torch.pi / 2), (2, torch.pi), (3, -torch.pi / 2)])
def test_quarter_turns_about_each_axis(plane: int, dims: tuple[int, int], quarters: int, angle: float) -> None:
    volume = volumes(1, depth=8, height=8, width=8).float()
    angles = [[0.0, 0.0, 0.0]]
    angles[0][plane] = angle
    seen = moved(volume, changed(1, angle_BT=angles))
    torch.testing.assert_close(seen, volume.rot90(quarters, dims=dims), rtol=0, atol=5e-3)


def test_crop_of_a_ramp() -> None:
    """A grey value that is the position is read at the position that the crop says."""
    z, y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float32) for size in (8, 6, 10)), indexing="ij")
    ramps = torch.stack([x, y, z])[:, None]
    seen = moved(ramps, changed(3, center_BA=[[0.4, 0.3, -0.5]] * 3, half_size_BA=[[0.5, 0.5, 0.25]] * 3))
    # Centre at size / 2 * (1 + centre) - 1/2, then half (or a quarter) of the distance from the middle.
    expected = [6.5 + 0.5 * (x - 4.5), 3.4 + 0.5 * (y - 2.5), 1.5 + 0.25 * (z - 3.5)]
    torch.testing.assert_close(seen[:, 0], torch.stack(expected), rtol=0, atol=1e-4)


def assert_geometry(seen: Tensor, parameters: AugmentParameters, *, volume: Tensor) -> None:
    for i in range(len(volume)):
        expected = slow.crop_volume(
            volume[i, 0].double().numpy(),
            center=parameters.center_BA[i].double().numpy(),
            half_size=parameters.half_size_BA[i].double().numpy(),
            angles=parameters.angle_BT[i].double().numpy(),
        )
        np.testing.assert_allclose(seen[i, 0].numpy(), expected, rtol=0, atol=0.02)


def drawn(count: int, *, options: AugmentOptions = STRONG) -> AugmentParameters:
    return draw(options, seed=0, epoch=0, rows_B=np.arange(count), view=0, spatial_dims=3)


def test_geometry_against_scipy() -> None:
    """Crop, stretch, three turns and flips at once, in a volume of three different sides."""
    volume, parameters = volumes(12).float(), drawn(12)
    assert_geometry(moved(volume, parameters), parameters, volume=volume)


def test_volumes_of_a_single_slice_and_of_several_channels() -> None:
    parameters = drawn(6)
    for volume in (volumes(6, depth=1).float(), volumes(18).view(6, 3, 7, 10, 8).float()):
        seen = moved(volume, parameters)
        for channel in range(volume.shape[1]):
            one = slice(channel, channel + 1)
            assert_geometry(seen[:, one], parameters, volume=volume[:, one])


def test_slices_do_not_leak_into_their_neighbours() -> None:
    """Slices are sampled out of one tall picture: the last row of each lies beside the first row of the next."""
    volume = torch.zeros(1, 1, 6, 8, 8)
    volume[:, :, ::2] = 1e6
    shifted = moved(volume, changed(1, center_BA=[[0.13, 0.09, 0.0]]))
    torch.testing.assert_close(shifted, volume, rtol=1e-4, atol=5)
    assert_geometry(moved(volume / 1e6, drawn(1)), drawn(1), volume=volume / 1e6)


@pytest.mark.parametrize("name", ["angle_BT", "center_BA", "half_size_BA"])
def test_geometry_that_goes_the_other_way_is_caught(name: str) -> None:
    volume, parameters = volumes(12).float(), drawn(12)
    with pytest.raises(AssertionError):
        assert_geometry(
            moved(volume, replace(parameters, **{name: -getattr(parameters, name)})), parameters, volume=volume
        )


def test_what_lies_far_outside_is_mirrored_again_and_again() -> None:
    volume = volumes(1).float()
    for away in (2.0, 4.0, 6.0):  # by whole volumes: every second one is not mirrored
        seen = moved(volume, changed(1, center_BA=[[away, 0.0, 0.0]]))
        torch.testing.assert_close(seen, volume.flip(-1) if away in (2.0, 6.0) else volume, rtol=0, atol=5e-3)


def test_blur_against_scipy() -> None:
    volume = volumes(2, depth=20, height=24, width=18).float()
    pixels = 0.05 * 24
    seen = volume.clone()
    blur(seen, changed(2, blur_sigma_B=[0.0, 0.05]))
    expected = ndimage.gaussian_filter(
        volume[1, 0].double().numpy(), pixels, mode="mirror", radius=int(np.ceil(3 * pixels))
    )
    assert torch.equal(seen[0], volume[0])
    np.testing.assert_allclose(seen[1, 0].numpy(), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("depth", "side"), [(8, 64), (2, 64), (1, 40)])
def test_few_slices_are_blurred_in_their_planes_as_others(depth: int, side: int) -> None:
    """The kernel across the slices ends where mirroring does, in the planes it is whole."""
    generator = torch.Generator().manual_seed(depth)
    volume = torch.rand(1, 1, depth, side, side, generator=generator)
    pixels = 0.04 * side
    seen = volume.clone()
    blur(seen, changed(1, blur_sigma_B=[0.04]))
    whole = int(np.ceil(3 * pixels))
    expected = ndimage.gaussian_filter(
        volume[0, 0].double().numpy(), pixels, mode="mirror", radius=[min(whole, depth - 1), whole, whole]
    )
    np.testing.assert_allclose(seen[0, 0].numpy(), expected, rtol=0, atol=1e-5)


def test_noise_of_each_volume_is_its_own() -> None:
    parameters = changed(2, noise_std_B=[0.02, 0.05], noise_place_B=[0.1, 0.9])
    noise = torch.zeros(2, 1, 16, 16, 16)
    add_noise(noise, parameters, normalisation=GREY)
    little, more = noise.flatten(1).numpy()
    assert little.std() == pytest.approx(0.02 / 0.2, rel=0.05)
    assert more.std() == pytest.approx(0.05 / 0.2, rel=0.05)
    assert abs(np.corrcoef(little, more)[0, 1]) < 0.1


def test_drawn_parameters_keep_their_promises() -> None:
    p = drawn(5_000, options=AugmentOptions(preset="ct"))
    width, height, depth = half_BA = p.half_size_BA.T
    part = half_BA.prod(dim=0)
    assert 0.3 < float(part.min()) < 0.43  # 0.4 of the volume, less what does not fit for the stretch
    assert float(part.max()) <= 1.0
    whole = (half_BA < 1).all(dim=0)  # a side that does not fit is cut, which changes the stretch
    for stretch in (width / height, depth / (width * height).sqrt()):
        assert float(stretch[whole].min()) == pytest.approx(0.85, abs=0.01)
        assert float(stretch[whole].max()) == pytest.approx(1 / 0.85, abs=0.01)
    assert (p.center_BA.abs() <= 1 - p.half_size_BA + 1e-6).all()
    assert p.angle_BT.shape == (5_000, 3)
    assert float(p.angle_BT.abs().max()) == pytest.approx(np.deg2rad(10), rel=0.01)
    correlation = np.corrcoef(torch.cat([p.angle_BT, p.center_BA / (1 - p.half_size_BA + 1e-3)], dim=1).T.numpy())
    assert np.abs(correlation - np.eye(6)).max() < 0.08


@pytest.mark.parametrize("axes", [("width",), ("depth",), ("height", "depth"), ()])
def test_only_the_named_axes_are_flipped(axes: tuple[Axis, ...]) -> None:
    options = AugmentOptions(preset="ct", flip_probability=0.5, flip_axes=axes)
    flipped = (drawn(2_000, options=options).half_size_BA < 0).float().mean(dim=0).tolist()
    for axis, share in zip(("width", "height", "depth"), flipped, strict=True):
        assert share == (pytest.approx(0.5, abs=0.05) if axis in axes else 0)


def test_the_numbers_of_pictures_did_not_move_when_more_were_drawn() -> None:
    """Drawn before there were volumes, at commit 572ef40; a study of pictures depends on them bit by bit."""
    p = draw(
        AugmentOptions(preset="photo", noise_std=0.1, shift=0.1),
        seed=9, epoch=3, rows_B=np.array([5]), view=1,
    )  # fmt: skip
    first = [field.name for field in fields(AugmentParameters)][:9]  # the rest came later
    seen = torch.cat([getattr(p, name).flatten() for name in first]).tolist()
    assert seen == pytest.approx(PICTURE_NUMBERS, rel=1e-6)


def test_replay_and_independence_of_the_batch() -> None:
    augmenter = Augmenter(replace_options(STRONG, noise_std=0.1), GREY, seed=9)
    volume, rows = volumes(20, depth=32, height=32, width=32), np.arange(100, 120)  # more than a CPU takes at a time
    whole = augmenter.view(volume, epoch=3, rows_B=rows, view=1)
    assert torch.equal(whole, augmenter.view(volume, epoch=3, rows_B=rows, view=1))
    shuffled = np.random.default_rng(0).permutation(20)[:7]
    part = augmenter.view(volume[shuffled], epoch=3, rows_B=rows[shuffled], view=1)
    torch.testing.assert_close(part, whole[shuffled], rtol=0, atol=1e-4)
    assert not torch.equal(whole, augmenter.view(volume, epoch=3, rows_B=rows, view=2))


def replace_options(options: AugmentOptions, **changes: float) -> AugmentOptions:
    return AugmentOptions.model_validate(options.model_dump() | changes)


def test_volumes_with_the_parameters_of_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, H, W\)"):
        apply(volumes(2), identity(2), normalisation=GREY)
    with pytest.raises(ValueError, match=r"\(2, 1, D, H, W\)"):
        apply(volumes(2)[:, :, 0], identity(2, spatial_dims=3), normalisation=GREY)


def test_measured_normalisation() -> None:
    stored = volumes(30).numpy()
    measured = measure_normalisation(stored.__getitem__, rows=np.arange(0, 30, 2))
    grey = stored[::2].astype(np.float64) / 255
    np.testing.assert_allclose(measured.mean, grey.mean(), rtol=1e-12)
    np.testing.assert_allclose(measured.std, grey.std(), rtol=1e-12)


def test_a_volume_is_the_same_in_slabs_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs are sampled one after the other, and their slices looked up when they are needed."""
    augmenter = Augmenter(replace_options(STRONG, noise_std=0.1), GREY, seed=9)
    volume, rows = volumes(3, depth=23, height=11, width=17), np.arange(3)
    whole = augmenter.view(volume, epoch=3, rows_B=rows, view=1)
    for voxels in (17, 1_000, 5_000):
        monkeypatch.setattr("medtrimix.augment.resample_volume._CPU_VOXELS", voxels)
        assert torch.equal(augmenter.view(volume, epoch=3, rows_B=rows, view=1), whole)


def test_large_volumes_are_looked_up_as_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    volume, rows = volumes(6, depth=9).view(3, 2, 9, 10, 8), np.arange(3)
    augmenter = Augmenter(STRONG, Normalisation(mean=(0.3, 0.6), std=(0.2, 0.1)), seed=9)
    small = augmenter.view(volume, epoch=3, rows_B=rows, view=1)
    monkeypatch.setattr("medtrimix.augment.resample_volume._LARGE", 1)
    assert torch.equal(augmenter.view(volume, epoch=3, rows_B=rows, view=1), small)
