"""Where the axes of a volume lead in the patient, and turning a volume by flips and transposes alone.

An orientation names for columns, rows and slices, in this order, the side that a growing index leads to: L or R, A or
P, I or S. DICOM's axial slices are "LPS", most NIfTI files "RAS" or "LAS".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Affine = npt.NDArray[np.float64]
Array = npt.NDArray[np.generic]

_AXES = {"R": (0, True), "L": (0, False), "A": (1, True), "P": (1, False), "S": (2, True), "I": (2, False)}
_LETTERS = {axis: letter for letter, axis in _AXES.items()}


def orientation_of(affine: Affine) -> str:
    """The orientation that is closest to a `(4, 4)` voxel index (column, row, slice) to RAS affine, such as "LPS"."""
    return "".join(_LETTERS[axis] for axis in _closest_axes(affine))


def oriented(values_CDHW: Array, *, affine: Affine, to: str) -> tuple[Array, Affine]:
    """A view of the values turned to the orientation `to`, and its affine; nothing is interpolated or copied."""
    present = _closest_axes(affine)
    turn = np.zeros((4, 4))  # index in the result to index in the source
    turn[3, 3] = 1
    order, steps = [], []
    for index, letter in enumerate(to):
        axis, grows = _AXES[letter]
        place = next(place for place, (other, _) in enumerate(present) if other == axis)
        flip = present[place][1] != grows
        turn[place, index] = -1 if flip else 1
        turn[place, 3] = values_CDHW.shape[3 - place] - 1 if flip else 0
        order.append(3 - place)
        steps.append(slice(None, None, -1 if flip else 1))
    return values_CDHW.transpose(0, *reversed(order))[:, *reversed(steps)], affine @ turn


def _closest_axes(affine: Affine) -> list[tuple[int, bool]]:
    """For columns, rows and slices: the closest axis of RAS, each taken once, and whether its coordinate grows.

    Nibabel's `io_orientation`, so that both agree on oblique volumes too: the axes of the closest rotation, given away
    in the order of how well they fit.
    """
    left, _, right = np.linalg.svd(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    rotation = left @ right
    taken: dict[int, tuple[int, bool]] = {}
    for index in np.argsort(-(rotation**2).max(axis=0), kind="stable").tolist():
        axis = int(np.argmax(np.abs(rotation[:, index])))
        taken[index] = axis, bool(rotation[axis, index] > 0)
        rotation[axis] = 0
    return [taken[index] for index in range(3)]
