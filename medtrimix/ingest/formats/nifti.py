"""NIfTI files to voxels: NIfTI-1 and NIfTI-2 of either byte order, zipped or not.

The bytes are read here rather than by nibabel: no more of a file is taken, or inflated, than its header has announced
and `data.max_megavoxels` allows, and the checksum behind zipped voxels is looked at.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from medtrimix.ingest.flags import Flag
from medtrimix.ingest.formats.inflate import Inflated
from medtrimix.ingest.formats.nifti_header import NiftiHeader, Stream, read_header
from medtrimix.ingest.grey import Window, full_range
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels

Array = npt.NDArray[np.generic]

_PIECE = 1 << 24  # bytes taken from a file at once: a header that lies about its voxels claims no memory for them


def read_nifti(file: BinaryIO, *, zipped: bool, options: DataOptions) -> tuple[Voxels, ...]:
    """The volumes of a file; several only with `fourth_axis: samples`.

    Values are what the file's rescale gives: int16 or int32 for whole numbers that are at most shifted by it, else
    float32. Colour has three channels, its alpha dropped.

    Args:
        file: at its beginning.
        zipped: whether it is a gzip file.
        options: the cap on voxels, and what becomes of a fourth axis.

    Raises:
        Refused: with the reason.
        OSError: the file can't be read.
    """
    if options.volume is None:
        raise Refused(Verdict.is_volume)
    stream: Stream = Inflated(file) if zipped else file
    header = read_header(stream)
    if header.voxels > options.max_megavoxels * 1e6:
        raise Refused(Verdict.too_large)
    if header.lengths[2] < options.volume.min_slices:
        raise Refused(Verdict.too_few_slices)
    channels = _channels(header, volume=options.volume)
    values = _values(_stored(stream, header=header), header=header)
    return tuple(
        Voxels(
            values_CDHW=values_CDHW,
            affine=header.affine,
            window=_window(header, volume=options.volume),
            encoding="nifti",
            flags=() if header.oriented else (Flag.no_orientation_code,),
            frame=frame,
        )
        for frame, values_CDHW in enumerate(values.reshape(-1, channels, *values.shape[2:]))
    )


def _channels(header: NiftiHeader, *, volume: VolumeOptions) -> int:
    """Channels of each sample."""
    colours = min(header.colours, 3)
    if volume.fourth_axis == "samples":
        return colours
    if header.volumes != volume.channels or (colours > 1 and volume.channels > 1):
        raise Refused(Verdict.unsupported_4d)
    return volume.channels * colours


def _window(header: NiftiHeader, *, volume: VolumeOptions) -> Window | None:
    """Colour is shown as it is, as in a photograph."""
    if header.colours > 1:
        return full_range(0, 255)
    return None if volume.window_hu is None else full_range(*volume.window_hu)


def _stored(stream: Stream, *, header: NiftiHeader) -> Array:
    """`(volumes, colours, D, H, W)` as stored, a view on the bytes of the file."""
    if len(stream.read(header.gap)) < header.gap:
        raise Refused(Verdict.truncated)
    count = header.voxels * header.colours * header.dtype.itemsize
    content = np.empty(count, np.uint8)
    for start in range(0, count, _PIECE):
        piece = stream.read(min(_PIECE, count - start))
        content[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
        if len(piece) < min(_PIECE, count - start):
            raise Refused(Verdict.truncated)
    stream.read(1)  # a zipped stream compares its checksum only when it is asked for what comes next
    stored = content.view(header.dtype).reshape(header.volumes, *reversed(header.lengths), header.colours)
    return np.moveaxis(stored, -1, 1)[:, :3]


def _values(stored: Array, *, header: NiftiHeader) -> Array:
    """What the stored values stand for; whole numbers that a rescale only shifts stay whole, as int16 or int32."""
    if header.colours > 1:
        return stored.astype(np.int16)
    if stored.dtype.kind != "f" and header.slope == 1 and header.intercept.is_integer():
        shift = int(header.intercept)
        lowest, highest = int(stored.min()) + shift, int(stored.max()) + shift
        for whole in (np.int16, np.int32):
            least, most = np.iinfo(whole).min, np.iinfo(whole).max
            if least <= lowest and highest <= most and least <= shift <= most:
                values: npt.NDArray[np.signedinteger] = stored.astype(whole, copy=False)
                values += whole(shift)  # what has wrapped around in the line above wraps back
                return values
    with np.errstate(over="ignore", invalid="ignore"):
        # Wider types would lose digits before the rescale takes a large offset away again.
        exact = np.float32 if stored.dtype.str[1:] in ("i1", "u1", "i2", "u2", "f4") else np.float64
        scaled: npt.NDArray[np.floating] = stored.astype(exact, copy=False)
        if (header.slope, header.intercept) != (1, 0):
            scaled *= header.slope
            scaled += header.intercept
        result = scaled.astype(np.float32, copy=False)
    if not np.isfinite([result.min(), result.max()]).all():
        raise Refused(Verdict.not_finite)
    return result
