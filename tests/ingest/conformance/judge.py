"""What a reader should find in a file or folder, what it did find, and the difference in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import nibabel
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
RIGHT = "right"
_AFFINE_MM = 2e-3  # DICOM's decimal strings carry six digits or so; a tenth of a voxel would be a hundred times this


@dataclass(frozen=True, eq=False)
class Grid:
    """A volume in the patient: values by (column, row, slice), and the affine of these indices to RAS millimetres."""

    values: Array
    affine: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Content:
    """Pictures and volumes in any order, and the verdict of each file that is in none of them.

    As truth, `tolerance` is how far single grey levels or voxels may be off: lossy codecs leave their decoders some
    freedom in rounding. `otherwise` is what a reader must find in a file that it does not refuse.
    """

    pictures: tuple[Array, ...] = ()
    volumes: tuple[Grid, ...] = ()
    refused: tuple[str, ...] = ()
    tolerance: float = 0
    otherwise: Content | None = None


def difference(found: Content, *, truth: Content) -> str:
    """`RIGHT`, or the first thing that is wrong."""
    if Counter(found.refused) != Counter(truth.refused):
        return f"verdicts: {_counted(found.refused)}; expected: {_counted(truth.refused)}"
    for kind, got, wanted in (
        ("picture", found.pictures, truth.pictures),
        ("volume", found.volumes, truth.volumes),
    ):
        if len(got) != len(wanted):
            return f"{_number(len(got), kind)} instead of {len(wanted)}"
    for got_HW, wanted_HW in zip(found.pictures, truth.pictures, strict=True):
        wrong = picture_difference(got_HW, wanted_HW, tolerance=truth.tolerance)
        if wrong != RIGHT:
            return wrong
    return volumes_difference(found.volumes, truth.volumes, tolerance=truth.tolerance)


def picture_difference(found: Array, wanted: Array, *, tolerance: float = 0) -> str:
    """Whether two pictures are the same, grey level for grey level."""
    if found.shape != wanted.shape:
        return f"shape {found.shape} instead of {wanted.shape}"
    off = np.abs(found.astype(np.float64) - wanted.astype(np.float64))
    return RIGHT if off.max() <= tolerance else f"{(off > tolerance).mean():.0%} of pixels off, by up to {off.max():g}"


def window_difference(values: Array, shown: Array, *, tolerance: float = 2) -> str:
    """Whether some linear window, black to white, makes the picture `shown` out of a reader's `values`.

    A reader that gives values and leaves the window to its user is right. One whose values need another curve, or
    show white where there is black, is wrong.
    """
    if values.shape != shown.shape:
        wrong = "palette indices or luminance" if shown.ndim > values.ndim else f"shape {values.shape}"
        return f"{wrong} instead of {shown.shape}"
    x, y = values.astype(np.float64).ravel(), shown.astype(np.float64).ravel()
    between = (y > 0) & (y < 255)
    if np.ptp(x[between]) == 0 if between.any() else True:
        return RIGHT if x[y == 0].max(initial=-np.inf) < x[y == 255].min(initial=np.inf) else "grey values"
    slope, offset = np.polyfit(x[between], y[between], 1)
    if slope < 0:
        return "inverted" if _fits(x, y, slope, offset, tolerance) else "grey values"
    return RIGHT if _fits(x, y, slope, offset, tolerance) else "no linear window of the values gives the picture"


def _fits(x: Array, y: Array, slope: float, offset: float, tolerance: float) -> bool:
    return bool(np.abs(np.clip(slope * x + offset, 0, 255) - y).max() <= tolerance)


def volumes_difference(found: Sequence[Grid], wanted: Sequence[Grid], *, tolerance: float = 0) -> str:
    """Whether two sets of volumes are the same; each is compared with the one that resembles it most."""
    left, wrong = list(found), RIGHT
    for grid in wanted:
        verdicts = [volume_difference(candidate, grid, tolerance=tolerance) for candidate in left]
        if RIGHT in verdicts:
            left.pop(verdicts.index(RIGHT))
        elif wrong == RIGHT:
            wrong = verdicts[0] if verdicts else "a volume is missing"
    return wrong


def volume_difference(found: Grid, wanted: Grid, *, tolerance: float = 0) -> str:
    """Whether two volumes have the same values at the same places, whatever the order of their axes in memory."""
    if not (np.isfinite(found.affine).all() and np.linalg.det(found.affine)):
        return "an affine that is no grid"
    a, b = _canonical(found), _canonical(wanted)
    if a.values.shape != b.values.shape:
        return f"shape {a.values.shape} instead of {b.values.shape}"
    off = np.abs(np.subtract(a.values, b.values, dtype=np.float64)).max()
    misplaced = _misplacement_mm(a, b)
    if off > tolerance and _same_slices(a.values.astype(np.float64), b.values.astype(np.float64)):
        return "slices in the wrong order"
    wrong = [f"values off by up to {off:.4g}"] if not off <= tolerance else []
    wrong += [f"voxels misplaced by up to {misplaced:.4g} mm"] if not misplaced <= _AFFINE_MM else []
    return "; ".join(wrong) or RIGHT


def _canonical(grid: Grid) -> Grid:
    """Axes reordered and flipped so that they lead right, anterior and superior as far as possible."""
    assert grid.values.ndim == 3, grid.values.shape
    orientation = nibabel.io_orientation(grid.affine)
    values = nibabel.apply_orientation(grid.values, orientation)
    return Grid(values, grid.affine @ nibabel.orientations.inv_ornt_aff(orientation, grid.values.shape))


def _misplacement_mm(a: Grid, b: Grid) -> float:
    """Largest distance between the places that two affines give to a corner."""
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in a.values.shape], [1])).reshape(4, -1)
    return float(np.linalg.norm(((a.affine - b.affine) @ corners)[:3], axis=0).max())


def _same_slices(x: Array, y: Array) -> bool:
    """Whether one volume holds the slices of the other in another order, along some axis."""
    for axis in range(3):
        slices = [Counter(part.tobytes() for part in np.moveaxis(volume, axis, 0)) for volume in (x, y)]
        if slices[0] == slices[1]:
            return True
    return False


def _counted(verdicts: Sequence[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(Counter(verdicts).items())) or "none"


def _number(count: int, kind: str) -> str:
    return f"{count} {kind}{'' if count == 1 else 's'}"
