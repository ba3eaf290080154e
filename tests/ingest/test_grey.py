"""The grey pipeline against pydicom's own, against hand-worked values, and against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import lut, noise, radiograph
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from medtrimix.ingest.grey import (
    AsStored,
    Display,
    LookupTable,
    Rescale,
    Window,
    apply_modality,
    apply_window,
    lookup,
    mirrored,
    render,
    robust_window,
    stored_values,
)


def _display(voi: object = None, *, modality: object = None, inverted: bool = False, padding: object = None) -> Display:
    return Display(modality=modality, voi=voi, inverted=inverted, padding=padding)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (1000.5, 300), (100, 2), (-50, 800), (2000, 1), (7, 1.5)])
def test_windows_are_those_of_pydicom(function: str, center: float, width: float) -> None:
    stored = noise()
    ds = radiograph(stored, BitsStored=12, HighBit=11, WindowCenter=center, WindowWidth=width, VOILUTFunction=function)
    with np.errstate(over="ignore"):  # pydicom's, in steep sigmoids
        expected = apply_voi_lut(stored, ds) / 4095
    shares = apply_window(stored.astype(float), window=Window(center, width, function))
    np.testing.assert_allclose(shares, expected, atol=1e-12)


def test_window_worked_by_hand() -> None:
    # PS3.3 C.11.2.1.2.1, c = 2048, w = 4096: y = ((x - 2047.5) / 4095 + 0.5) runs from 0 at x = 0 to 1 at x = 4095.
    shares = apply_window(np.array([-5.0, 0, 4095, 5000]), window=Window(2048, 4096))
    np.testing.assert_allclose(shares, [0, 0, 1, 1])
    # Off by one in the width would show: LINEAR and LINEAR_EXACT differ.
    exact = apply_window(np.array([4095.0]), window=Window(2048, 4096, "LINEAR_EXACT"))
    assert exact[0] == pytest.approx(4095 / 4096)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(40, 400), (-7.5, 3), (100, 2)])
def test_a_mirrored_window_shows_black_as_white(function: str, center: float, width: float) -> None:
    values = np.linspace(center - width, center + width, 57)
    window = Window(center, width, function)
    np.testing.assert_allclose(
        apply_window(values, window=mirrored(window)), 1 - apply_window(values, window=window), atol=1e-12
    )


def test_extreme_sigmoids_stay_finite() -> None:
    assert apply_window(np.array([-1e9, 1e9]), window=Window(0, 1, "SIGMOID")).tolist() == pytest.approx([0, 1])


def test_rescale_and_modality_lut_are_those_of_pydicom() -> None:
    stored = noise()
    ds = radiograph(stored, RescaleSlope=-0.5, RescaleIntercept=100)
    np.testing.assert_array_equal(apply_modality(stored, modality=Rescale(-0.5, 100)), apply_modality_lut(stored, ds))
    entries = np.random.default_rng(1).integers(0, 65536, 3000).tolist()
    ds = radiograph(stored, ModalityLUTSequence=[lut(500, entries, 16)])
    table = LookupTable(500, np.array(entries), 16)
    np.testing.assert_array_equal(apply_modality(stored, modality=table), apply_modality_lut(stored, ds))


def test_voi_lut_is_that_of_pydicom() -> None:
    stored = noise()
    entries = np.sort(np.random.default_rng(1).integers(0, 4096, 3000)).tolist()
    ds = radiograph(stored, VOILUTSequence=[lut(500, entries, 12)], WindowCenter=1, WindowWidth=2)
    np.testing.assert_array_equal(
        lookup(stored.astype(float), table=LookupTable(500, np.array(entries), 12)), apply_voi_lut(stored, ds)
    )


@given(st.integers(1, 16), st.booleans(), st.integers(0, 2**16 - 1))
def test_bits_above_the_stored_ones_do_not_count(bits: int, signed: bool, garbage: int) -> None:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    values = np.array([low, high, (low + high) // 2])
    dirty = ((values & ((1 << bits) - 1)) | ((garbage << bits) & 0xFFFF)).astype(np.uint16)
    array = dirty.view(np.int16) if signed else dirty
    assert stored_values(array, bits_stored=bits, high_bit=bits - 1).tolist() == values.tolist()
    if bits <= 12:  # the same, four bits further up
        shifted = (dirty << 4).view(array.dtype)
        assert stored_values(shifted, bits_stored=bits, high_bit=bits + 3).tolist() == values.tolist()


@given(st.integers(0, 2**31))
def test_robust_window_is_numpys_percentiles(seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(-50, 60, 997).astype(float)
    values, counts = np.unique(pixels, return_counts=True)
    low, high = np.percentile(pixels, [0.5, 99.5], method="inverted_cdf")
    window = robust_window(values, counts)
    assert (window.center, window.width) == ((low + high) / 2, high - low)


@pytest.mark.parametrize("shape", [(40, 50), (513, 1025)])  # the second is looked up in three blocks
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_looking_values_up_is_the_same_as_computing_each_pixel(dtype: type, shape: tuple[int, int]) -> None:
    info = np.iinfo(dtype)
    stored = np.random.default_rng(0).integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    stored.flat[:2] = info.min, info.max
    window = Window(info.max / 3, float(info.max) - info.min, "LINEAR_EXACT")
    expected = np.rint(255 * apply_window(stored.astype(float) * 0.5 + 3, window=window))
    picture = render(stored, display=_display(window, modality=Rescale(0.5, 3)))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, expected)


def test_the_range_of_a_large_picture_is_that_of_all_its_pixels() -> None:
    rng = np.random.default_rng(0)
    stored = np.concatenate([rng.integers(-900, 900, (513, 1025)), rng.integers(3000, 3100, (40, 1025))])
    low, high = np.percentile(stored, [0.5, 99.5], method="inverted_cdf")
    expected = np.rint(255 * np.clip((stored - low) / (high - low), 0, 1))
    np.testing.assert_array_equal(render(stored.astype(np.int16), display=_display()), expected)


def test_inversion_happens_once() -> None:
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(render(stored, display=_display(AsStored(8))), stored)
    np.testing.assert_array_equal(render(stored, display=_display(AsStored(8), inverted=True)), 255 - stored)


def test_padding_is_black_and_does_not_move_the_range() -> None:
    stored = noise(bits=10).astype(np.int16)
    plain = render(stored, display=_display())
    padded = np.pad(stored, 20, constant_values=-2000)
    for inverted in (False, True):
        picture = render(padded, display=_display(inverted=inverted, padding=(-2000, -1999)))
        inside = picture[20:-20, 20:-20]
        np.testing.assert_array_equal(inside, 255 - plain if inverted else plain)
        assert picture[:20].max() == 0
    assert not np.array_equal(render(padded, display=_display())[20:-20, 20:-20], plain), "padding would move the range"


def test_without_a_window_eight_bits_are_shown_as_stored_and_more_by_their_range() -> None:
    eight = noise((50, 60), bits=8) // 2 + 20
    np.testing.assert_array_equal(render(eight, display=_display(AsStored(8))), eight)
    shifted = eight.astype(np.uint16) << 4
    np.testing.assert_array_equal(render(shifted, display=_display(AsStored(12))), eight)
    deep = shifted + 1
    picture = render(deep, display=_display(AsStored(12)))
    np.testing.assert_array_equal(picture, render(deep, display=_display()))
    assert (picture.min(), picture.max()) == (0, 255)


def test_as_stored_goes_through_the_rescale() -> None:
    stored = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(render(stored, display=_display(AsStored(8), modality=Rescale(2, -100))), stored)
    np.testing.assert_array_equal(render(stored, display=_display(AsStored(8), modality=Rescale(-1, 0))), 255 - stored)


def test_one_bit_becomes_black_and_white() -> None:
    assert render(np.array([0, 1, 1], np.uint8), display=_display(AsStored(1))).tolist() == [0, 255, 255]


@pytest.mark.parametrize("padding", [None, (7, 7)])
def test_a_constant_picture_is_black(padding: object) -> None:
    assert render(np.full((4, 4), 7, np.int16), display=_display(padding=padding)).max() == 0
