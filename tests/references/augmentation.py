"""Augmentation restated pixel by pixel in plain Python, for volumes by scipy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special
from scipy.spatial.transform import Rotation

Plane = list[list[float]]


def grey_value(value: int, *, brightness: float, contrast: float, gamma: float) -> float:
    """A stored grey value 0..255 as shown, 0..1."""
    curved = (value / 255) ** gamma
    return min(1.0, max(0.0, (curved - 0.5) * contrast + 0.5 + brightness))


def crop(plane: Plane, *, center: tuple[float, float], half_size: tuple[float, float], angle: float) -> Plane:
    """The crop of a plane, turned about its centre, at the plane's own size; bilinear, mirrored at the edges.

    In pixels: start at the output pixel's distance from the middle, shrink it to the crop, turn it, move it to the
    crop's centre.
    """
    height, width = len(plane), len(plane[0])
    out = []
    for row in range(height):
        line = []
        for column in range(width):
            x = half_size[0] * (column + 0.5 - width / 2)
            y = half_size[1] * (row + 0.5 - height / 2)
            turned_x = math.cos(angle) * x - math.sin(angle) * y
            turned_y = math.sin(angle) * x + math.cos(angle) * y
            at_x = turned_x + width / 2 * (1 + center[0]) - 0.5
            at_y = turned_y + height / 2 * (1 + center[1]) - 0.5
            line.append(_bilinear(plane, _mirrored(at_x, size=width), _mirrored(at_y, size=height)))
        out.append(line)
    return out


def _mirrored(position: float, *, size: int) -> float:
    """Reflection at the outer edges of the first and last pixel, -0.5 and size - 0.5; then onto pixel centres."""
    position = (position + 0.5) % (2 * size)
    inside = 2 * size - position if position > size else position
    return min(size - 1.0, max(0.0, inside - 0.5))


def _bilinear(plane: Plane, x: float, y: float) -> float:
    left, top = math.floor(x), math.floor(y)
    right, bottom = min(left + 1, len(plane[0]) - 1), min(top + 1, len(plane) - 1)
    a, b = x - left, y - top
    upper = (1 - a) * plane[top][left] + a * plane[top][right]
    lower = (1 - a) * plane[bottom][left] + a * plane[bottom][right]
    return (1 - b) * upper + b * lower


def crop_volume(
    volume_DHW: npt.NDArray[np.float64],
    *,
    center: npt.NDArray[np.float64],
    half_size: npt.NDArray[np.float64],
    angles: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """The same of a volume, by scipy: an affine map of voxel positions, trilinear, mirrored at the edges.

    `center`, `half_size` and `angles` count from x. The turns are made one after the other: from x towards y is about
    z, from x towards z is about y the other way, from y towards z is about x.
    """
    turn = Rotation.from_euler("zyx", [angles[0], -angles[1], angles[2]]).as_matrix()
    size = np.array(volume_DHW.shape[::-1])
    to_source = turn * half_size  # columns: along each axis of the output
    offset = (size - 1) / 2 + center * size / 2 - to_source @ ((size - 1) / 2)
    moved: npt.NDArray[np.float64] = ndimage.affine_transform(
        volume_DHW, to_source[::-1, ::-1], offset=offset[::-1], order=1, mode="reflect"
    )
    return moved


def bias_field(heights: list[list[float]], *, sizes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The field at every pixel, the last axis x; `heights[axis]` are those of half a period and of a whole one."""
    field = np.empty(sizes[::-1])
    for place in np.ndindex(field.shape):
        log = 0.0
        for axis, number in enumerate(reversed(place)):
            t = (number + 0.5) / sizes[axis]
            log += heights[axis][0] * math.cos(math.pi * t) + heights[axis][1] * math.cos(2 * math.pi * t)
        field[place] = math.exp(log)
    return field


def in_box(place: tuple[int, ...], *, center: list[float], half: list[float], sizes: tuple[int, ...]) -> bool:
    """Whether the centre of a pixel lies in a box; `place` ends with x, the others begin with it."""
    for axis, number in enumerate(reversed(place)):
        position = 2 * (number + 0.5) / sizes[axis] - 1
        if abs(position - center[axis]) > half[axis]:
            return False
    return True


def rician_mean(value: float, *, std: float) -> float:
    """Expectation of a Rician variable, by integrating its density: x/s^2 exp(-(x^2 + v^2)/2s^2) I0(x v/s^2)."""
    x = np.linspace(1e-9, value + 12 * std, 200_001)
    density = x / std**2 * np.exp(-((x - value) ** 2) / (2 * std**2)) * special.ive(0, x * value / std**2)
    return float(np.trapezoid(x * density, x))
