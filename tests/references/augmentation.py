"""Augmentation restated pixel by pixel, in plain Python."""

from __future__ import annotations

import math

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
