"""The resampling of volumes against Pillow, and against what it must do to ramps and constants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medtrimix.ingest.fit.resample import Grid, resampled, weights

LENGTHS = st.integers(1, 70)


def _resampled(source_CDHW: np.ndarray, grids: tuple[Grid, Grid, Grid]) -> np.ndarray:
    slabs = (source_CDHW[:, start : start + 3].astype(np.float32) for start in range(0, source_CDHW.shape[1], 3))
    return resampled(slabs, lengths=source_CDHW.shape[1:], grids=grids)


def _whole(length: int, count: int) -> Grid:
    return Grid(0, length / count, count)


def _placed(data: st.DataObject, length: int) -> Grid:
    """Any grid inside the source."""
    start = data.draw(st.floats(0, length * 0.9))
    end = data.draw(st.floats(min(length, start + 0.1), length))
    count = data.draw(st.integers(1, 40))
    return Grid(start, (end - start) / count, count)


@given(st.data())
def test_two_axes_are_pillows_bilinear(data: st.DataObject) -> None:
    rows, columns = data.draw(LENGTHS), data.draw(LENGTHS)
    picture = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(rows, columns)).astype(np.float32)
    down, along = _placed(data, rows), _placed(data, columns)
    box = (along.start, down.start, along.start + along.step * along.count, down.start + down.step * down.count)
    pillow = Image.fromarray(picture).resize((along.count, down.count), Image.Resampling.BILINEAR, box=box)
    for axis in range(3):  # the third axis, of one voxel, may be any
        volume = np.expand_dims(picture, axis)[None]
        grids = [down, along]
        grids.insert(axis, _whole(1, 1))
        found = _resampled(volume, (grids[0], grids[1], grids[2]))
        np.testing.assert_allclose(np.squeeze(found[0], axis), np.asarray(pillow), atol=2e-5)


@given(LENGTHS, st.integers(1, 70))
def test_weights_are_shares(length: int, count: int) -> None:
    shares = weights(_whole(length, count), length=length)
    assert shares.shape == (count, length)
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(shares, shares[::-1, ::-1], atol=1e-6, err_msg="left and right are alike")


def test_weights_by_hand() -> None:
    # Three places of 2 voxels on 6 voxels; the triangle about 1.0 falls over 2 voxels: 1 - |0.5 - 1| / 2 = 0.75, ...
    shares = weights(Grid(0, 2, 3), length=6)
    np.testing.assert_allclose(shares[0], np.array([0.75, 0.75, 0.25, 0, 0, 0]) / 1.75, atol=1e-7)
    np.testing.assert_allclose(shares[1], np.array([0, 0.25, 0.75, 0.75, 0.25, 0]) / 2, atol=1e-7)
    # Enlarged, the triangle is one voxel wide: plain linear interpolation, and the edge repeated.
    np.testing.assert_allclose(weights(Grid(0, 0.5, 4), length=2), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])


@given(st.data())
def test_constants_stay(data: st.DataObject) -> None:
    lengths = tuple(data.draw(st.integers(1, 30)) for _ in range(3))
    depth, height, width = (_placed(data, length) for length in lengths)
    found = _resampled(np.full((2, *lengths), 7.25), (depth, height, width))
    assert found.shape == (2, depth.count, height.count, width.count)
    np.testing.assert_allclose(found, 7.25, rtol=1e-6)


@pytest.mark.parametrize("step", [0.3, 1.0, 2.5, 4.0])
def test_ramps_keep_their_slope_away_from_the_edges(step: float) -> None:
    lengths = (40, 41, 42)
    grids = tuple(Grid(6.0, step, int((length - 12) / step)) for length in lengths)
    ramp = np.indices(lengths).astype(np.float64) + 0.5
    found = _resampled(ramp, grids)  # type: ignore[arg-type]
    # Where places and voxels don't fall on each other the sampled triangle is a hundredth of a voxel off; so is Pillow.
    tolerance = 2e-5 if step in (1, 4) or step < 1 else 0.02
    for axis, grid in enumerate(grids):
        centers = grid.start + grid.step * (np.arange(grid.count) + 0.5)
        np.testing.assert_allclose(np.moveaxis(found[axis], axis, -1) - centers, 0, atol=tolerance)


def test_making_smaller_averages() -> None:
    checkerboard = np.indices((64, 64, 64)).sum(axis=0) % 2 * 255.0
    found = _resampled(checkerboard[None], tuple(_whole(64, 8) for _ in range(3)))  # type: ignore[arg-type]
    assert abs(found - 127.5).max() < 4, "aliasing would show as stripes"
    assert checkerboard[::8, ::8, ::8].std() == 0, "picking every 8th voxel would see one value"


@given(st.data())
def test_nothing_overshoots(data: st.DataObject) -> None:
    lengths = tuple(data.draw(st.integers(1, 20)) for _ in range(3))
    source = np.random.default_rng(data.draw(st.integers(0, 99))).uniform(-1, 1, (1, *lengths))
    depth, height, width = (_placed(data, length) for length in lengths)
    found = _resampled(source, (depth, height, width))
    assert source.min() - 1e-5 <= found.min()
    assert found.max() <= source.max() + 1e-5
