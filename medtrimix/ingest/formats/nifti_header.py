"""The header of a NIfTI file, checked: numbers alone, none of its texts.

Nibabel parses it and makes the affine. Its descrip, aux_file, db_name and intent_name, and the extensions behind it,
often hold a patient's name or a whole DICOM header; they are never looked at.
"""

from __future__ import annotations

import logging
import math
import struct
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from medtrimix.ingest.verdict import Refused, Verdict

_GREYS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_COLOURS = {128: 3, 2304: 4}  # RGB24 and RGBA32: bytes of a voxel
_CIFTI = range(3000, 3100)  # intent codes of matrices over the surface of the brain, in the clothes of NIfTI-2
_MILLIMETRES = {1: 1e3, 3: 1e-3}  # of a metre and a micrometre; ITK, too, takes any other unit for millimetres
_LONGEST = 16 << 20  # with its extensions: a file can claim that its voxels begin anywhere
_SERIOUS = 40  # of nibabel's levels: from here on its checks raise, below they repair
_SILENT = logging.Logger("silent", level=logging.CRITICAL + 1)  # nibabel's reports quote what the header says


class Stream(Protocol):
    """Where bytes come from, in order: a file or what is inflated from it."""

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes, or fewer at the end."""


@dataclass(frozen=True)
class NiftiHeader:
    """What it takes to read the voxels.

    Attributes:
        dtype: of stored values, with its byte order; of colour, bytes.
        colours: values of a voxel, 1 for grey.
        lengths: columns, rows and slices.
        volumes: length of the fourth axis.
        gap: bytes between the end of the header and the first voxel.
        slope: of the rescale.
        intercept: of the rescale.
        affine: `(4, 4)` voxel index (column, row, slice) to RAS millimetres, from the sform, else the qform.
        oriented: False if there is neither, so that the affine is a guess.
    """

    dtype: np.dtype[np.generic]
    colours: int
    lengths: tuple[int, int, int]
    volumes: int
    gap: int
    slope: float
    intercept: float
    affine: npt.NDArray[np.float64]
    oriented: bool

    @property
    def voxels(self) -> int:
        """Of all volumes together."""
        return math.prod(self.lengths) * self.volumes


def read_header(stream: Stream) -> NiftiHeader:
    """The header that `stream` begins with; the stream is left at its end.

    Raises:
        Refused: `not_an_image` (another kind of file, also CIFTI), `no_pixels` (the `.hdr` of a pair), `truncated`,
            `unsupported_pixels` (complex and other values that are no grey), `unsupported_4d` (a fifth axis),
            `invalid_header`.
    """
    raw, byte_order = _parsed(stream)
    type_code = int(raw["datatype"])
    if int(raw["intent_code"]) in _CIFTI:
        raise Refused(Verdict.not_an_image)
    if type_code not in _GREYS and type_code not in _COLOURS:
        raise Refused(Verdict.unsupported_pixels)
    try:
        with np.errstate(all="ignore"):
            raw.check_fix(logger=_SILENT, error_level=_SERIOUS)
            affine = raw.get_best_affine().astype(np.float64)
            slope, intercept = raw.get_slope_inter()
            gap = int(raw["vox_offset"]) - raw.sizeof_hdr
            shape = raw.get_data_shape()
    except Exception:  # nibabel's and numpy's many kinds
        raise Refused(Verdict.invalid_header) from None
    affine[:3] *= _MILLIMETRES.get(int(raw["xyzt_units"]) % 8, 1)
    if not _invertible(affine) or not 0 <= gap <= _LONGEST:
        raise Refused(Verdict.invalid_header)
    lengths, volumes = _lengths(shape, count=int(raw["dim"][0]))
    return NiftiHeader(
        dtype=np.dtype(byte_order + _GREYS.get(type_code, "u1")),
        colours=_COLOURS.get(type_code, 1),
        lengths=lengths,
        volumes=volumes,
        gap=gap,
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        affine=affine,
        oriented=bool(raw["sform_code"] > 0 or raw["qform_code"] > 0),
    )


def _parsed(stream: Stream) -> tuple[Any, str]:
    """Nibabel's header, unchecked but for its magic, and its byte order."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    size = stream.read(4)
    for kind in (Nifti1Header, Nifti2Header):
        for byte_order in "<>":
            if size != struct.pack(byte_order + "i", kind.sizeof_hdr):
                continue
            block = size + stream.read(kind.sizeof_hdr - 4)
            if len(block) < kind.sizeof_hdr:
                raise Refused(Verdict.truncated)
            header: Any = kind(block, byte_order, check=False)  # type: ignore[no-untyped-call]
            if header["magic"].item() == kind.pair_magic:
                raise Refused(Verdict.no_pixels)
            if header["magic"].item() != kind.single_magic:
                raise Refused(Verdict.invalid_header)
            return header, byte_order
    raise Refused(Verdict.not_an_image)


def _lengths(shape: tuple[int, ...], *, count: int) -> tuple[tuple[int, int, int], int]:
    """Columns, rows and slices, and the number of volumes; axes of length 1 behind them count for nothing."""
    if not 1 <= count <= 7 or min(shape) < 1:
        raise Refused(Verdict.invalid_header)
    columns, rows, slices = (*shape, 1, 1)[:3]
    further = [length for length in shape[3:] if length > 1]
    if len(further) > 1:
        raise Refused(Verdict.unsupported_4d)
    return (columns, rows, slices), math.prod(further)


def _invertible(affine: npt.NDArray[np.float64]) -> bool:
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(lengths.min() > 1e-6 and lengths.max() < 1e6 and abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-6)
