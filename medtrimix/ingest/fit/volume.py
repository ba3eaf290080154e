"""Decoded volumes to the one orientation, size and grey scale of the store.

Grey comes before size, as with pictures: slices are windowed, then resampled, so metal and the values around a
scanner's circular field can't bleed into their neighbours, and padded voxels count as black.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from medtrimix.arrays import Volume
from medtrimix.ingest.fit.orientation import Affine, Array, oriented
from medtrimix.ingest.fit.resample import Floats, Grid, resampled
from medtrimix.ingest.grey import ROBUST_RANGE, Window, apply_window, full_range, mirrored, robust_window
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels

Bools = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]
Grids = tuple[Grid, Grid, Grid]
Shading = Callable[[Array], npt.NDArray[np.floating]]

_INT16 = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.float64)
"""What each of the 65536 bit patterns stands for."""
_SLAB = 1 << 15  # voxels in the works at once: few enough to stay in a core's cache
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, as Pillow's "L"


def fitted_volume(voxels: Voxels, *, options: DataOptions) -> tuple[Volume, ...]:
    """What the store keeps of a volume, turned to `options.volume.orientation`.

    One `(C, D, H, W)` image, or with `samples: slices` one `(C, H, W)` image for each slice of the turned volume: for
    all of them, or with `spacing_mm` for as many as that distance of slices gives. Spacing and affine are those of the
    image. Without a window each channel gets the robust range of its voxels.

    Raises:
        Refused: `unsupported_4d` if there are not `options.volume.channels` channels, `too_large` if the slices had
            more than `options.max_megavoxels` together.
    """
    assert options.volume is not None
    if options.volume.channels not in (1, len(voxels.values_CDHW)):
        raise Refused(Verdict.unsupported_4d)
    padded_DHW = voxels.padded_DHW
    windows = [voxels.window or _robust_window(channel, padded=padded_DHW) for channel in voxels.values_CDHW]
    if voxels.inverted:
        windows = [mirrored(window) for window in windows]
    values_CDHW, affine = oriented(voxels.values_CDHW, affine=voxels.affine, to=options.volume.orientation)
    if padded_DHW is not None:
        padded_DHW = oriented(padded_DHW[None], affine=voxels.affine, to=options.volume.orientation)[0][0]
    return fitted_values(values_CDHW, windows=windows, padded_DHW=padded_DHW, affine=affine, options=options)


def fitted_values(
    values_CDHW: Array,
    *,
    windows: Sequence[Window],
    padded_DHW: Bools | None,
    affine: Affine | None,
    options: DataOptions,
) -> tuple[Volume, ...]:
    """As `fitted_volume`, for values that have been turned already.

    Args:
        values_CDHW: of any real type and memory layout.
        windows: what is shown, for each channel.
        padded_DHW: voxels to be shown black.
        affine: voxel index (column, row, slice) to RAS millimetres; None for voxels of unknown size, taken as cubes.
        options: what an image of the store looks like.

    Raises:
        Refused: `too_large`.
    """
    assert options.volume is not None
    whole = options.volume.samples == "volumes"
    sizes = options.volume.size if whole else (None, *options.image_size)
    spacing = (1.0, 1.0, 1.0) if affine is None else _spacing(affine)
    grids = _grids(values_CDHW.shape[1:], spacing=spacing, sizes=sizes, options=options)
    size = [given or grid.count for given, grid in zip(sizes, grids, strict=True)]
    if not whole and math.prod(size) > options.max_megavoxels * 1e6:
        raise Refused(Verdict.too_large)
    before = [(full - grid.count) // 2 for full, grid in zip(size, grids, strict=True)]
    image_CDHW = np.zeros((options.stored_channels, *size), np.uint8)
    depth, height, width = (slice(first, first + grid.count) for first, grid in zip(before, grids, strict=True))
    shades_CDHW = _resampled_shades(values_CDHW, windows=windows, padded_DHW=padded_DHW, grids=grids)
    if len(shades_CDHW) == 3 and options.stored_channels == 1:
        shades_CDHW = np.tensordot(_LUMINANCE, shades_CDHW, axes=1)[None]
    image_CDHW[:, depth, height, width] = np.rint(255 * shades_CDHW)
    if affine is not None:
        affine = affine @ _placement(grids, before=before)
    if whole:
        return (Volume(image_CDHW, None if affine is None else _spacing(affine), affine),)
    return tuple(_slice(image_CDHW, position, affine=affine) for position in range(len(image_CDHW[0])))


def _robust_window(values_DHW: Array, *, padded: Bools | None) -> Window:
    """The window between the values at `ROBUST_RANGE` of the voxels that are not padded."""
    if values_DHW.dtype == np.int16:
        counts = np.zeros(len(_INT16), np.int64)
        for position, values in enumerate(values_DHW):
            kept = values if padded is None else values[~padded[position]]
            counts += np.bincount(kept.ravel().view(np.uint16), minlength=len(counts))
        return robust_window(_INT16, counts)
    shown = values_DHW.flatten() if padded is None else values_DHW[~padded]
    if not len(shown):
        return full_range(0, 1)
    ranks = [math.ceil(share * len(shown)) - 1 for share in ROBUST_RANGE]  # percentiles by "inverted_cdf", as in 2D
    shown.partition(ranks)
    low, high = shown[ranks].tolist()
    return full_range(low, high)


def _resampled_shades(
    values_CDHW: Array, *, windows: Sequence[Window], padded_DHW: Bools | None, grids: Grids
) -> Floats:
    """Shares 0..1 of the display range at the places of the grids, `(C, D, H, W)`."""
    # Slabs are cut along the axis that is slowest in memory, whatever it is called by now, so each is read in one go.
    slowest = int(np.argmax(np.abs(values_CDHW.strides[1:])))
    first, second, third = order = [slowest, *(axis for axis in range(3) if axis != slowest)]
    values = values_CDHW.transpose(0, *(1 + axis for axis in order))
    padded = None if padded_DHW is None else padded_DHW.transpose(order)
    slabs = _slabs(values, shadings=[_shading(window, dtype=values.dtype) for window in windows], padded_DHW=padded)
    shades = resampled(slabs, lengths=values.shape[1:], grids=(grids[first], grids[second], grids[third]))
    return np.moveaxis(shades, 1, 1 + slowest)


def _slabs(values_CDHW: Array, *, shadings: Sequence[Shading], padded_DHW: Bools | None) -> Iterator[Floats]:
    """A few slices at a time as shares of the display range."""
    channels, slices, rows, columns = values_CDHW.shape
    thickness = max(1, _SLAB // (rows * columns))
    for start in range(0, slices, thickness):
        slab = values_CDHW[:, start : start + thickness]
        shades = np.empty(slab.shape, np.float32)
        for channel, shading in zip(range(channels), shadings, strict=True):
            shades[channel] = shading(slab[channel])
        if padded_DHW is not None:
            shades[:, padded_DHW[start : start + thickness]] = 0
        yield shades


def _shading(window: Window, *, dtype: np.dtype[np.generic]) -> Shading:
    """Values to shares of the display range; those of int16 are looked up, which is exact and ten times as fast."""
    if dtype == np.int16:
        table = apply_window(_INT16, window=window).astype(np.float32)
        return lambda values: table[values.view(np.uint16)]
    return lambda values: apply_window(values.astype(np.float64), window=window)


def _grids(lengths: Sequence[int], *, spacing: Spacing, sizes: Sequence[int | None], options: DataOptions) -> Grids:
    """The places of the stored image that lie on the volume, about its middle; a size of None takes all of them."""
    extents = [length * distance for length, distance in zip(lengths, spacing, strict=True)]
    widths = _widths(extents, sizes=sizes, options=options)
    depth, height, width = (
        _grid(length, size=size, step=1 if wide is None else wide / distance)
        for length, distance, size, wide in zip(lengths, spacing, sizes, widths, strict=True)
    )
    return depth, height, width


def _widths(
    extents_mm: Sequence[float], *, sizes: Sequence[int | None], options: DataOptions
) -> Sequence[float | None]:
    """Millimetres that a place of the stored image takes up along each axis; None for as many as a source voxel does.

    `pad` and `crop` give all axes the same, so the proportions stay: the one that brings the whole volume into the
    size, and the one that fills it.
    """
    assert options.volume is not None
    if options.volume.spacing_mm is not None:
        return options.volume.spacing_mm
    filling = [None if size is None else extent / size for extent, size in zip(extents_mm, sizes, strict=True)]
    if options.fit == "stretch":
        return filling
    choose = max if options.fit == "pad" else min
    common = choose(width for width in filling if width is not None)
    return [None if size is None else common for size in sizes]


def _grid(length: int, *, size: int | None, step: float) -> Grid:
    count = max(1, round(length / step))
    if size is not None:
        count = min(count, size)
    return Grid(start=(length - step * count) / 2, step=step, count=count)


def _placement(grids: Grids, *, before: Sequence[int]) -> Affine:
    """Index (column, row, slice) in the stored image to index in the source; index 0 is the centre of a first voxel."""
    result = np.eye(4)
    for row, (grid, empty) in enumerate(zip(reversed(grids), reversed(before), strict=True)):
        result[row, row] = grid.step
        result[row, 3] = grid.start + grid.step * (0.5 - empty) - 0.5
    return result


def _slice(image_CDHW: npt.NDArray[np.uint8], position: int, *, affine: Affine | None) -> Volume:
    """One slice; the third column of its affine still leads to the next one."""
    image_CHW = np.ascontiguousarray(image_CDHW[:, position])
    if affine is None:
        return Volume(image_CHW)
    here = affine.copy()
    here[:3, 3] += position * affine[:3, 2]
    return Volume(image_CHW, _spacing(here)[1:], here)


def _spacing(affine: Affine) -> Spacing:
    """Of slices, of rows and of columns."""
    along_column, along_row, along_slice = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return along_slice, along_row, along_column
