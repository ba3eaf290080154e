"""Pictures to one size: what is kept, what is added, and that nothing aliases or overshoots."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import noise
from hypothesis import given
from hypothesis import strategies as st

from medtrimix.ingest.fit.picture import Fit, fitted, with_channels


def _fitted(picture: np.ndarray, size: tuple[int, int], fit: Fit) -> tuple[np.ndarray, tuple[float, float]]:
    return fitted(with_channels(picture, channels="grey"), size=size, fit=fit)


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_a_picture_of_the_right_size_is_left_alone(fit: Fit) -> None:
    picture = noise((24, 32), bits=8)
    array, scale = _fitted(picture, (24, 32), fit)
    np.testing.assert_array_equal(array, picture[None])
    assert scale == (1, 1)


def test_pad_keeps_everything_on_black() -> None:
    array, scale = _fitted(np.full((100, 50), 200, np.uint8), (64, 64), "pad")
    assert (array[0, :, 16:48] == 200).all()
    assert array[0, :, :16].max() == array[0, :, 48:].max() == 0
    assert scale == pytest.approx((0.64, 0.64))


def test_crop_fills_the_size_from_the_middle() -> None:
    picture = np.zeros((100, 50), np.uint8)
    picture[25:75] = 200
    array, scale = _fitted(picture, (64, 64), "crop")
    assert (array[0, 1:-1] == 200).all(), "but for the outermost rows, which are between the bar and its surroundings"
    assert scale == pytest.approx((1.28, 1.28))


def test_stretch_ignores_the_shape() -> None:
    picture = np.zeros((100, 50), np.uint8)
    picture[50:] = 200
    array, scale = _fitted(picture, (64, 64), "stretch")
    assert (array[0, :31] == 0).all()
    assert (array[0, 33:] == 200).all()
    assert scale == pytest.approx((0.64, 1.28))


@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.tuples(st.integers(8, 70), st.integers(8, 70)),
    st.sampled_from(["pad", "crop", "stretch"]),
)
def test_any_shape_becomes_the_size_without_overshoot(shape: tuple[int, int], size: tuple[int, int], fit: Fit) -> None:
    picture = 60 + noise(shape, bits=7)
    array, _ = _fitted(picture, size, fit)
    assert array.shape == (1, *size)
    assert array.dtype == np.uint8
    assert array.flags.c_contiguous
    shown = array[array > 0]
    assert shown.min() >= picture.min()
    assert shown.max() <= picture.max()


def test_making_smaller_averages() -> None:
    checkerboard = np.indices((512, 512)).sum(axis=0).astype(np.uint8) % 2 * 255
    array, _ = _fitted(checkerboard, (32, 32), "pad")
    assert abs(array.astype(int) - 127).max() <= 8, "aliasing would show as stripes"
    assert checkerboard[::16, ::16].std() == 0, "picking every 16th pixel would see one colour"


def test_channels() -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 1] = 255
    assert np.asarray(with_channels(colour, channels="grey"))[0, 0] == 150  # 0.587 x 255, ITU-R 601
    grey = noise((8, 8), bits=8)
    np.testing.assert_array_equal(np.asarray(with_channels(grey, channels="rgb")), np.stack([grey] * 3, axis=2))
    array, _ = fitted(with_channels(colour, channels="rgb"), size=(8, 8), fit="pad")
    np.testing.assert_array_equal(array, colour.transpose(2, 0, 1))
