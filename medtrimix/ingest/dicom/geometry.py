"""Where slices lie in the patient (PS3.3 C.7.6.2.1.1), and the affine of a stack of them.

DICOM's axes lead to the left, to the back and to the head (LPS), NIfTI's to the right, to the front and to the head
(RAS): the first two change their sign, once, in `stack_affine`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from medtrimix.ingest.dicom.values import numbers
from medtrimix.ingest.verdict import Refused, Verdict

Vector = npt.NDArray[np.float64]

NOISE_MM = 0.01
"""Positions nearer than this are equal: writers round them to two or three decimals."""
PLANE_TOLERANCE = 1e-3
"""Direction cosines nearer than this are equal, and so are spacings that differ by this share."""
MAX_TILT_DEGREES = 0.1
MAX_GAP = 0.01
"""Distances of neighbours may differ from the median by this share of it."""

_COSINE_TOLERANCE = 0.01
_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True)
class SliceGeometry:
    """Plane of one slice.

    Attributes:
        position_mm: centre of the first pixel, LPS.
        orientation: direction cosines along a row, then down a column, LPS.
        spacing_mm: distance of pixel centres down a column, then along a row.
        thickness_mm: of the slice; only a stack of one slice needs it.
    """

    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, float]
    thickness_mm: float

    @property
    def normal(self) -> Vector:
        """Unit vector from slice to slice."""
        (a, b, c), (d, e, f) = self.orientation[:3], self.orientation[3:]
        cross = np.array((b * f - c * e, c * d - a * f, a * e - b * d))  # a tenth of the time of np.cross
        return cross / math.sqrt(float(cross @ cross))

    def distance_mm(self, first: SliceGeometry) -> float:
        """How far this slice lies behind the plane of `first`."""
        return _dot(np.subtract(self.position_mm, first.position_mm).tolist(), first.normal.tolist())

    @property
    def axes(self) -> tuple[Vector, Vector]:
        """Unit vectors along a row and down a column."""
        cosines = np.array(self.orientation)
        return cosines[:3] / np.linalg.norm(cosines[:3]), cosines[3:] / np.linalg.norm(cosines[3:])


def slice_geometry(header: Dataset) -> SliceGeometry | None:
    """The plane of the only frame that `header` describes; None if it has no position, orientation or spacing.

    Raises:
        Refused: invalid_header, for directions that are no unit vectors at a right angle, or numbers that are none.
    """
    position, orientation = numbers(header, "ImagePositionPatient"), numbers(header, "ImageOrientationPatient")
    spacing = numbers(header, "PixelSpacing")
    if not (position and orientation and spacing):
        return None
    if (len(position), len(orientation), len(spacing)) != (3, 6, 2):
        raise Refused(Verdict.invalid_header)
    row, column = orientation[:3], orientation[3:]
    products = (_dot(row, row) - 1, _dot(column, column) - 1, _dot(row, column))
    right = all(abs(product) < _COSINE_TOLERANCE for product in products)  # not so for NaN
    if not (right and all(map(math.isfinite, position)) and all(0 < value < math.inf for value in spacing)):
        raise Refused(Verdict.invalid_header)
    thickness = numbers(header, "SpacingBetweenSlices") or numbers(header, "SliceThickness") or (1.0,)
    thick = abs(thickness[0])
    return SliceGeometry(position, orientation, (spacing[0], spacing[1]), thick if 0 < thick < math.inf else 1.0)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def same_plane(one: SliceGeometry, other: SliceGeometry) -> bool:
    """Whether two slices are parallel and have pixels of one size."""
    cosines = zip(one.orientation, other.orientation, strict=True)
    spacings = zip(one.spacing_mm, other.spacing_mm, strict=True)
    limit = 2 * PLANE_TOLERANCE
    return all(abs(a - b) <= limit for a, b in cosines) and all(abs(a - b) <= limit * b for a, b in spacings)


def depths_mm(slices: Sequence[SliceGeometry]) -> Vector:
    """Positions along the normal of the first slice."""
    depths: Vector = np.array([one.position_mm for one in slices]) @ slices[0].normal
    return depths


def places(depths: Vector) -> npt.NDArray[np.intp]:
    """For ascending depths, which slice of the stack each is, from 0: equal depths share a place."""
    result = np.zeros(len(depths), np.intp)
    start = depths[0]
    for index, depth in enumerate(depths):
        new = depth - start > NOISE_MM
        start = depth if new else start
        result[index] = result[index - 1] + new if index else 0
    return result


def is_tilted(slices: Sequence[SliceGeometry]) -> bool:
    """Whether slices are shifted against each other, as by a tilted gantry.

    The shift of each slice in its plane is fitted by a line over the depth. A line that leans by more than
    `MAX_TILT_DEGREES` is a tilt, and so is a slice that lies more than a tenth of a pixel beside the line.
    """
    depths = depths_mm(slices)
    depths = depths - depths.mean()
    shifts = np.array([one.position_mm for one in slices]) @ np.stack(slices[0].axes, axis=1)
    shifts = shifts - shifts.mean(axis=0)
    slope = depths @ shifts / max(float(depths @ depths), 1e-12)
    drift = float(np.linalg.norm(slope))
    beside = np.linalg.norm(shifts - np.outer(depths, slope), axis=1).max()
    tilted = drift > math.tan(math.radians(MAX_TILT_DEGREES)) and drift * np.ptp(depths) > NOISE_MM
    return bool(tilted or beside > max(NOISE_MM, 0.1 * min(slices[0].spacing_mm)))


def has_gap(depths: Vector) -> bool:
    """Whether distances of neighbours differ by more than `MAX_GAP` of their median, or `NOISE_MM` if that is more."""
    steps = np.diff(depths)
    median = float(np.median(steps)) if len(steps) else 0.0
    return bool((np.abs(steps - median) > max(MAX_GAP * median, NOISE_MM)).any())


def stack_affine(first: SliceGeometry, last: SliceGeometry, *, slices: int) -> npt.NDArray[np.float64]:
    """`(4, 4)` voxel index (column, row, slice) to RAS millimetres."""
    along_row, down_column = first.axes
    if slices > 1:
        step = np.subtract(last.position_mm, first.position_mm) / (slices - 1)
    else:
        step = first.normal * first.thickness_mm
    affine = np.eye(4)
    columns = (along_row * first.spacing_mm[1], down_column * first.spacing_mm[0], step, np.array(first.position_mm))
    affine[:3] = np.stack(columns, axis=1) * _LPS_TO_RAS[:, None]
    return affine
