"""Volumes to the store's size: every voxel stays where it is in the patient, and is as grey as its window says."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from dicom_files import noise
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medtrimix.arrays import Volume
from medtrimix.ingest.fit.orientation import orientation_of
from medtrimix.ingest.fit.picture import fitted, with_channels
from medtrimix.ingest.fit.volume import fitted_values, fitted_volume
from medtrimix.ingest.grey import Window, apply_window, full_range
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels

LPS = np.diag([-1.0, -1, 1, 1])
FITS = ["pad", "crop", "stretch"]


def _options(volume: dict[str, Any], **data: Any) -> DataOptions:
    return DataOptions(source="x", volume=VolumeOptions(**volume), **data)


def _voxels(values: np.ndarray, affine: np.ndarray = LPS, window: Window | None = None, **more: Any) -> Voxels:
    return Voxels(values if values.ndim == 4 else values[None], affine, window, "nifti", **more)


def _one(voxels: Voxels, options: DataOptions) -> Volume:
    (volume,) = fitted_volume(voxels, options=options)
    assert volume.array.dtype == np.uint8
    assert volume.array.shape == options.stored_shape
    return volume


def _spaced(depth: float, height: float, width: float) -> np.ndarray:
    """The affine of LPS slices with these distances."""
    return LPS @ np.diag([width, height, depth, 1])


# --- geometry ---


def _coordinates(affine: np.ndarray, shape_DHW: tuple[int, ...]) -> np.ndarray:
    """`(3, D, H, W)`: RAS millimetres of the centre of each voxel."""
    slices, rows, columns = np.indices(shape_DHW)
    return (
        np.einsum("xi,idhw->xdhw", affine[:3, :3], np.stack([columns, rows, slices])) + affine[:3, 3, None, None, None]
    )


def _inside(points: np.ndarray, affine: np.ndarray, shape_DHW: tuple[int, ...], *, steps: np.ndarray) -> np.ndarray:
    """Whether points lie so deep in a volume that its edge, where the kernel is cut off, can't be felt."""
    index = np.einsum("ix,xdhw->idhw", np.linalg.inv(affine)[:3, :3], points - affine[:3, 3, None, None, None])
    last = np.array(shape_DHW[::-1])[:, None, None, None] - 1
    margin = np.maximum(1, steps)[:, None, None, None]
    return ((index >= margin) & (index <= last - margin)).all(axis=0)


@given(st.data())
def test_every_voxel_stays_where_it_is_in_the_patient(data: st.DataObject) -> None:
    """The value of a voxel is its own coordinate; so it must be afterwards, by the affine that comes with the image."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * random.uniform(0.7, 3, 3)
    affine[:3, 3] = random.uniform(-100, 100, 3)
    shape = tuple(random.integers(8, 24, 3).tolist())
    volume = {
        "samples": data.draw(st.sampled_from(["volumes", "slices"])),
        "size": tuple(random.integers(4, 30, 3).tolist()),
        "orientation": data.draw(st.sampled_from(["LPS", "RAS", "PIR", "SLA", "IAR", "ASL"])),
        "spacing_mm": data.draw(st.sampled_from([None, (2.0, 1.0, 0.8), (0.5, 4.0, 1.0)])),
    }
    options = _options(volume, fit=data.draw(st.sampled_from(FITS)), image_size=(20, 17))
    axis = data.draw(st.integers(0, 2))
    ramp = _coordinates(affine, shape)[axis]
    low, high = ramp.min() - 5, ramp.max() + 5  # so that black means that there is nothing
    images = fitted_volume(_voxels(ramp.astype(np.float32), affine, full_range(low, high)), options=options)
    all_off = []
    for image in images:
        assert image.affine is not None
        assert image.spacing_mm is not None
        assert orientation_of(image.affine) == volume["orientation"]
        array = image.array[0] if options.volume.samples == "volumes" else image.array[0][None]  # type: ignore[union-attr]
        points = _coordinates(image.affine, array.shape)
        spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
        np.testing.assert_allclose(image.spacing_mm, spacing[::-1][-len(image.spacing_mm) :])
        if volume["spacing_mm"] is not None:
            np.testing.assert_allclose(spacing[::-1], volume["spacing_mm"])
        steps = np.abs(np.linalg.inv(affine[:3, :3]) @ image.affine[:3, :3]).max(axis=1)
        deep = _inside(points, affine, shape, steps=steps)
        level = (high - low) / 255
        found = low + level * array[deep]
        # Half a grey level, and what a sampled triangle is off where places and voxels don't fall on each other: at
        # most 0.09 source voxels along each axis (measured for steps from 1 to 3), to either side.
        off = found - points[axis][deep]
        np.testing.assert_allclose(off, 0, atol=level / 2 + 0.09 * np.linalg.norm(affine[:3, :3], axis=0).sum())
        all_off.append(off)
    off = np.concatenate(all_off)
    if len(off) > 50:
        assert abs(off.mean()) < 0.2, "millimetres: what the kernel is off cancels out, a wrong affine does not"
    if volume["samples"] == "volumes" and volume["spacing_mm"] is None and options.fit == "pad":
        assert len(off) > 0 or min(volume["size"]) < 12 or min(shape) < 12, "else this test could not fail"


BOX = np.full((20, 40, 40), 100, np.int16)  # of 1 mm


@pytest.mark.parametrize(
    ("fit", "spacing", "slices"),
    [
        ("pad", (2, 2, 2), slice(5, 15)),  # 20 mm are 10 of 20 slices of 2 mm
        ("crop", (1, 1, 1), slice(0, 20)),  # 20 of 40 mm are seen across
        ("stretch", (1, 2, 2), slice(0, 20)),
    ],
)
def test_fits(fit: str, spacing: tuple[float, ...], slices: slice) -> None:
    image = _one(_voxels(BOX, window=full_range(0, 100)), _options({"size": (20, 20, 20)}, fit=fit))
    expected = np.zeros((1, 20, 20, 20), np.uint8)
    expected[:, slices] = 255
    np.testing.assert_array_equal(image.array, expected)
    assert image.spacing_mm == pytest.approx(spacing)


def test_proportions_are_those_in_the_patient() -> None:
    """10 slices of 5 mm are as deep as 100 rows of half a millimetre are high."""
    values = np.full((10, 100, 100), 7, np.int16)
    image = _one(_voxels(values, _spaced(5, 0.5, 0.5), full_range(0, 7)), _options({"size": (20, 20, 20)}))
    assert (image.array == 255).all()
    assert image.spacing_mm == pytest.approx((2.5, 2.5, 2.5))


def test_a_given_spacing_cuts_and_pads_about_the_middle() -> None:
    values = np.full((10, 100, 100), 7, np.int16)
    options = _options({"size": (12, 20, 20), "spacing_mm": (10, 1, 1)})
    image = _one(_voxels(values, _spaced(5, 0.5, 0.5), full_range(0, 7)), options)
    assert (image.array[0].max(axis=(1, 2)) > 0).tolist() == [False] * 3 + [True] * 5 + [False] * 4
    assert (image.array[0, 3:8] == 255).all()
    assert image.spacing_mm == pytest.approx((10, 1, 1))
    assert image.affine is not None
    middle = image.affine @ [9.5, 9.5, 5, 1]  # of the third of the five slices that lie on the volume
    np.testing.assert_allclose(middle, _spaced(5, 0.5, 0.5) @ [49.5, 49.5, 4.5, 1])


def test_a_volume_of_the_right_size_is_left_alone() -> None:
    values = noise((6, 7, 8), bits=8).astype(np.int16)
    for fit in FITS:
        image = _one(_voxels(values, window=full_range(0, 255)), _options({"size": (6, 7, 8)}, fit=fit))
        np.testing.assert_array_equal(image.array[0], values)
        np.testing.assert_allclose(image.affine, LPS)


def test_orientation() -> None:
    values = noise((6, 6, 6), bits=8).astype(np.int16)
    image = _one(_voxels(values, np.eye(4), full_range(0, 255)), _options({"size": (6, 6, 6), "orientation": "PIL"}))
    # Columns, rows and slices lead right, anterior, superior; they shall lead posterior, inferior, left.
    np.testing.assert_array_equal(image.array[0], values.transpose(2, 0, 1)[::-1, ::-1, ::-1])


# --- slices ---


@pytest.mark.parametrize("fit", FITS)
def test_slices_are_fitted_as_pictures_are(fit: str) -> None:
    values = noise((4, 48, 32), bits=8).astype(np.int16)
    options = _options({"samples": "slices"}, image_size=(24, 24), fit=fit)
    images = fitted_volume(_voxels(values, window=full_range(0, 255)), options=options)
    assert len(images) == 4
    for number, (image, picture) in enumerate(zip(images, values.astype(np.uint8), strict=True)):
        expected, _ = fitted(with_channels(picture, channels="grey"), size=(24, 24), fit=fit)  # type: ignore[arg-type]
        assert image.array.shape == options.stored_shape
        assert image.array.flags.c_contiguous
        # Pillow rounds between rows and columns, and to fixed-point weights.
        assert abs(image.array.astype(int) - expected).max() <= 1
        assert image.affine is not None
        np.testing.assert_allclose((image.affine @ [11.5, 11.5, 0, 1])[:3], [-15.5, -23.5, number])


def test_as_many_slices_as_the_spacing_gives() -> None:
    options = _options({"samples": "slices", "spacing_mm": (2, 1, 1)}, image_size=(16, 16))
    images = fitted_volume(_voxels(BOX[:9], _spaced(5, 1, 1), full_range(0, 100)), options=options)
    assert len(images) == 22  # 45 mm
    assert all((image.array == 255).all() for image in images)
    assert all(image.spacing_mm == pytest.approx((1, 1)) for image in images)


@pytest.mark.parametrize("distance", [1e5, 1e100])
def test_slices_without_end_are_refused(distance: float) -> None:
    options = _options({"samples": "slices", "spacing_mm": (0.01, 1, 1)}, image_size=(16, 16))
    with pytest.raises(Refused) as refusal:
        fitted_volume(_voxels(BOX, _spaced(distance, 1, 1), full_range(0, 100)), options=options)
    assert refusal.value.verdict == Verdict.too_large


# --- grey values ---


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows(function: str) -> None:
    values = noise((6, 7, 8), bits=12).astype(np.int16)
    window = Window(1000.0, 1500.0, function)
    image = _one(_voxels(values, window=window), _options({"size": (6, 7, 8)}))
    np.testing.assert_array_equal(image.array[0], np.rint(255 * apply_window(values.astype(float), window=window)))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
@pytest.mark.parametrize("padding", [False, True])
def test_the_robust_range_is_that_of_the_voxels_that_are_not_padded(dtype: type, padding: bool) -> None:
    values = (np.random.default_rng(0).gamma(2, 400, (20, 30, 30)) - 500).astype(dtype)
    padded = np.zeros(values.shape, bool)
    if padding:
        padded[:, :15] = True
        values[padded] = -3000
    low, high = np.quantile(values[~padded], (0.005, 0.995), method="inverted_cdf")
    image = _one(_voxels(values, padded_DHW=padded if padding else None), _options({"size": values.shape}))
    expected = np.rint(255 * np.clip((values.astype(float) - low) / (high - low), 0, 1))
    expected[padded] = 0
    assert abs(image.array[0] - expected).max() <= (dtype != np.int16), "ties may fall either way in single precision"


def test_each_channel_has_its_own_range() -> None:
    values = noise((6, 7, 8), bits=12).astype(np.int16)
    options = _options({"size": (6, 7, 8), "fourth_axis": "channels", "channels": 2})
    image = _one(_voxels(np.stack([values, values * 3 - 2000])), options)
    np.testing.assert_array_equal(image.array[0], image.array[1])
    assert image.array.max() == 255


@pytest.mark.parametrize("value", [0, -1000])
@pytest.mark.parametrize("padding", [False, True])
def test_volumes_of_nothing_are_black(value: int, padding: bool) -> None:
    for dtype in (np.int16, np.float32):
        values = np.full((6, 7, 8), value, dtype)
        padded = np.ones(values.shape, bool) if padding else None
        assert _one(_voxels(values, padded_DHW=padded), _options({})).array.max() == 0


def test_padding_and_metal_do_not_bleed() -> None:
    values = np.full((32, 32, 32), 50, np.int16)
    values[:, :, :5] = -2000
    values[10:12, 10:12, 10:12] = 30000
    padded = values == -2000
    options = _options({"size": (8, 8, 8)})
    image = _one(_voxels(values, window=full_range(0, 100), padded_DHW=padded), options)
    as_if = _one(_voxels(values.clip(0, 100), window=full_range(0, 100)), options)
    np.testing.assert_array_equal(image.array, as_if.array)
    half = 5 / 4 - 1  # of the second column of places
    assert 0 < half < image.array[0, 4, 6, 1] / 127.5 < 1
    assert image.array[0, 2, 2, 2] < 255


def test_padded_voxels_are_turned_with_the_others() -> None:
    values = noise((5, 6, 7), bits=8).astype(np.int16)
    padded = values > 128
    image = _one(
        _voxels(values, np.eye(4), full_range(0, 255), padded_DHW=padded),
        _options({"size": (7, 5, 6), "orientation": "PIL"}),
    )
    expected = np.where(padded, 0, values).transpose(2, 0, 1)[::-1, ::-1, ::-1]
    np.testing.assert_array_equal(image.array[0], expected)


# --- channels ---


def test_colour_to_luminance_is_pillows() -> None:
    colours = noise((3, 6, 7, 8), bits=8)
    image = _one(_voxels(colours.astype(np.int16), window=full_range(0, 255)), _options({"size": (6, 7, 8)}))
    for found, slice_HWC in zip(image.array[0], colours.transpose(1, 2, 3, 0), strict=True):
        expected = np.asarray(Image.fromarray(np.ascontiguousarray(slice_HWC)).convert("L"))
        assert abs(found.astype(int) - expected).max() <= 1  # Pillow's weights are whole 65536ths


def test_colour_stays_and_grey_is_repeated() -> None:
    colours = noise((3, 6, 7, 8), bits=8)
    options = _options({"size": (6, 7, 8)}, channels="rgb")
    image = _one(_voxels(colours.astype(np.int16), window=full_range(0, 255)), options)
    np.testing.assert_array_equal(image.array, colours)
    image = _one(_voxels(colours[0].astype(np.int16), window=full_range(0, 255)), options)
    np.testing.assert_array_equal(image.array, np.stack([colours[0]] * 3))


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        fitted_volume(_voxels(BOX), options=_options({"fourth_axis": "channels", "channels": 2}))
    assert refusal.value.verdict == Verdict.unsupported_4d


# --- without geometry, and cost ---


def test_without_affine_nothing_is_turned() -> None:
    values = noise((1, 6, 7, 8), bits=8)
    (image,) = fitted_values(
        values, windows=[full_range(0, 255)], padded_DHW=None, affine=None, options=_options({"size": (6, 7, 8)})
    )
    np.testing.assert_array_equal(image.array, values)
    assert image.spacing_mm is None
    assert image.affine is None


@pytest.mark.parametrize("orientation", ["LPS", "SAR"])
def test_it_takes_little_memory(orientation: str) -> None:
    values = noise((64, 256, 256), bits=12).astype(np.int16)
    tracemalloc.start()
    try:
        _one(_voxels(values), _options({"orientation": orientation}))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < math.prod(values.shape), "half of the volume's own size"
