"""Near-duplicates are found, other pictures are not, and neither blocks nor the order of rows matter."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from medtrimix.data import likeness
from medtrimix.data.likeness import distinctive, near_duplicates, required_likeness, thumbnails

BAR = 0.95


def pictures(count: int, *, seed: int = 0, side: int = 48) -> np.ndarray:
    """Different pictures with much in common, as chests have: (N, 1, side, side)."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=(count, side, side)), (0, 4, 4))
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    grey = 110 + 60 * np.cos(4 * rows) * np.cos(5 * columns) + 25 * noise / noise.std()
    return grey.clip(0, 255).astype(np.uint8)[:, None]


def small(image_NCHW: np.ndarray) -> np.ndarray:
    return np.concatenate(list(thumbnails(lambda rows: image_NCHW[rows], count=len(image_NCHW))))


def pairs(image_NCHW: np.ndarray, **options: object) -> set[tuple[int, int]]:
    arguments = {"group_N": np.arange(len(image_NCHW)), "at_least": BAR} | options
    found = near_duplicates(small(image_NCHW), **arguments)  # type: ignore[arg-type]
    return set(zip(found.row_P.tolist(), found.other_P.tolist(), strict=True))


def jpeg(picture: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def resized(picture: np.ndarray) -> np.ndarray:
    image, side = Image.fromarray(picture), len(picture)
    smaller = image.resize((round(0.95 * side),) * 2, Image.Resampling.BILINEAR)
    return np.asarray(smaller.resize(image.size, Image.Resampling.BILINEAR))


def noisy(picture: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 0.02 * 255, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


CHANGES = {
    "jpeg": jpeg,
    "resized": resized,
    "noise": noisy,
    "brighter": lambda picture: (0.9 * picture + 25).astype(np.uint8),
    "less contrast": lambda picture: (128 + 0.7 * (picture - 128.0)).astype(np.uint8),
    "all at once": lambda picture: jpeg(noisy(resized((0.9 * picture + 20).astype(np.uint8)))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(change: str) -> None:
    image = pictures(120)
    image[100, 0] = CHANGES[change](image[7, 0])
    assert pairs(image) == {(7, 100)}


def test_a_thumbnail_is_made_of_means_over_areas() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 2, 24, 36)).astype(np.uint8)
    mean = image.mean(axis=1).reshape(3, 12, 2, 12, 3).mean(axis=(2, 4)).reshape(3, -1)
    mean -= mean.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(small(image), mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)


def test_a_thumbnail_of_a_size_that_does_not_divide_keeps_the_total() -> None:
    weights = likeness._area_weights(17, side=12)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=0), 12 / 17, rtol=1e-6)


def test_brightness_and_contrast_leave_a_thumbnail_as_it_is() -> None:
    image = pictures(4).astype(np.float32)
    np.testing.assert_allclose(small(image), small(0.5 * image + 30), atol=1e-5)


def test_a_blank_picture_has_a_thumbnail_of_nothing() -> None:
    assert not small(np.full((2, 1, 16, 16), 7, dtype=np.uint8)).any()


def test_pictures_that_show_nothing_are_nobodys_copies() -> None:
    """Slices beyond the body are alike in all patients."""
    image = pictures(60)
    noise = np.random.default_rng(0).normal(0, 1.5, (20, *image.shape[1:]))
    image[40:] = (8 + noise).clip(0, 255).astype(np.uint8)
    image[50:, 0, :12] = 10
    image[20, 0] = jpeg(image[3, 0])
    assert pairs(image) == {(3, 20)}


@given(seed=st.integers(0, 100), copies=st.integers(0, 6), first=st.sampled_from([None, 9, 25]))
@settings(max_examples=15, deadline=None)
def test_the_pairs_are_those_of_two_loops(seed: int, copies: int, first: int | None) -> None:
    """Whatever the blocks: here they are of 7 rows."""
    image = pictures(40, seed=seed, side=24)
    for copy in range(copies):
        image[30 + copy, 0] = noisy(image[copy, 0])
    group_N = np.random.default_rng(seed).integers(0, 35, len(image))
    descriptor_NT = distinctive(small(image))
    bar = required_likeness(descriptor_NT, group_N=group_N, at_least=BAR)
    expected = {
        (row, other)
        for row in range(len(image))
        for other in range(row + 1, len(image))
        if group_N[row] != group_N[other] and (first is None or row < first <= other)
        if float(descriptor_NT[row] @ descriptor_NT[other]) >= bar
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likeness, "_BLOCK", 7)
        assert pairs(image, group_N=group_N, first=first) == expected


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    image = pictures(60, side=24)
    image[50:55] = [[jpeg(picture[0])] for picture in image[:5]]
    order = np.random.default_rng(seed).permutation(len(image))
    found = {frozenset(order[list(pair)].tolist()) for pair in pairs(image[order])}
    assert found == {frozenset(pair) for pair in pairs(image)} == {frozenset((row, row + 50)) for row in range(5)}


def test_within_a_group_nobody_looks() -> None:
    image = pictures(60)
    image[1], image[3] = image[0], image[2]
    group_N = np.arange(60)
    group_N[1] = 0
    assert pairs(image, group_N=group_N) == {(2, 3)}


def test_copies_do_not_raise_the_bar_for_themselves() -> None:
    image = np.concatenate([pictures(300), [[noisy(picture[0])] for picture in pictures(300)]])
    assert {(row, row + 300) for row in range(300)} == pairs(image)


def test_the_bar_is_higher_where_all_pictures_are_alike() -> None:
    """Mixtures of three pictures: few directions tell them apart, so some are close by chance."""
    share = np.random.default_rng(0).dirichlet([1, 1, 1], 300)
    alike = np.einsum("nk,kchw->nchw", share, pictures(3).astype(np.float64))
    bars = [
        required_likeness(distinctive(small(image)), group_N=np.arange(300), at_least=BAR)
        for image in (pictures(300), alike)
    ]
    assert bars[0] == BAR
    assert bars[1] > 0.999


def test_volumes_have_thumbnails_too() -> None:
    rng = np.random.default_rng(0)
    volume = (128 + 400 * gaussian_filter(rng.normal(size=(50, 1, 20, 24, 28)), (0, 0, 3, 3, 3))).clip(0, 255)
    volume[40] = (volume[4] + rng.normal(0, 5, volume[4].shape)).clip(0, 255)
    assert small(volume.astype(np.uint8)).shape == (50, 512)
    assert pairs(volume.astype(np.uint8)) == {(4, 40)}


def test_pneumoniamnist_has_no_near_duplicates_besides_its_copies(real_data: Path) -> None:
    """17 million pairs of chests; the most alike ones are other pictures, as looking at them shows."""
    with np.load(real_data / "pneumoniamnist.npz", allow_pickle=False) as archive:
        image = np.concatenate([archive[f"{side}_images"] for side in ("train", "val", "test")])[:, None]
    _, group_N = np.unique(image.reshape(len(image), -1), axis=0, return_inverse=True)
    assert pairs(image, group_N=group_N.ravel()) == set()
