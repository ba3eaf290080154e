"""A point source, a flat detector, and the rays between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medtrimix.phantom.solids import Floats, rotation


@dataclass(frozen=True, eq=False)
class Beam:
    """A divergent beam in the patient's coordinates (mm).

    Attributes:
        source: focal spot, `(3,)`.
        corner: centre of the detector's pixel in row 0, column 0, `(3,)`.
        row_step: from a pixel to the one below, `(3,)`.
        column_step: from a pixel to the one on its right, `(3,)`.
        shape: rows and columns.
    """

    source: Floats
    corner: Floats
    row_step: Floats
    column_step: Floats
    shape: tuple[int, int]

    @cached_property
    def directions(self) -> Floats:
        """Unit vectors from the source to each pixel, row by row, `(P, 3)`."""
        rows, columns = self.shape
        pixel_HW3 = (
            self.corner
            + np.arange(rows)[:, None, None] * self.row_step
            + np.arange(columns)[None, :, None] * self.column_step
        )
        ray_P3 = (pixel_HW3 - self.source).reshape(-1, 3)
        unit: Floats = ray_P3 / np.linalg.norm(ray_P3, axis=1, keepdims=True)
        return unit

    def project(self, point_P3: Floats) -> Floats:
        """Row and column (fractions allowed) where the shadows of points fall, `(P, 2)`."""
        normal = np.cross(self.row_step, self.column_step)
        ray_P3 = point_P3 - self.source
        stretch_P = ((self.corner - self.source) @ normal) / (ray_P3 @ normal)
        shadow_P3 = self.source + stretch_P[:, None] * ray_P3 - self.corner
        steps_32 = np.stack(
            [self.row_step / (self.row_step @ self.row_step), self.column_step / (self.column_step @ self.column_step)],
            axis=1,
        )
        where: Floats = shadow_P3 @ steps_32
        return where


def frontal_beam(
    *,
    source_to_detector_mm: float,
    source_to_patient_mm: float,
    from_behind: bool,
    pixel_mm: float,
    shape: tuple[int, int],
    turn_deg: tuple[float, float, float] = (0, 0, 0),
    shift_mm: tuple[float, float] = (0, 0),
) -> Beam:
    """A beam for a frontal radiograph, displayed as usual: head up, the patient's left on the right.

    Args:
        source_to_detector_mm: distance of the focal spot from the detector.
        source_to_patient_mm: distance of the focal spot from the middle of the chest.
        from_behind: posterior-anterior (True) or anterior-posterior (False).
        pixel_mm: pixel pitch on the detector.
        shape: rows and columns.
        turn_deg: how the patient is turned about x, y and z.
        shift_mm: how the patient is off centre, to the left and to the head.
    """
    side = 1.0 if from_behind else -1.0
    rows, columns = shape
    right, down = np.array([1.0, 0, 0]), np.array([0, 0, -1.0])
    offset = np.array([-shift_mm[0], 0, -shift_mm[1]])
    source = offset + np.array([0, side * source_to_patient_mm, 0])
    middle = offset + np.array([0, side * (source_to_patient_mm - source_to_detector_mm), 0])
    corner = middle - pixel_mm * ((columns - 1) / 2 * right + (rows - 1) / 2 * down)
    turn = rotation(*turn_deg).T  # turning the patient is turning the tube and the detector the other way
    return Beam(turn @ source, turn @ corner, turn @ (pixel_mm * down), turn @ (pixel_mm * right), shape)
