"""Arrays as they travel through the package, and the legend of their shapes.

Suffixes name the axes, in memory order:

    N samples   B batch   C channels   D H W depth, height, width   E embedding   K classes   R bootstrap draws
    A axes (x, y, z)   T turns

`image_BCHW` is a batch of 2D images, `image_BCDHW` one of volumes, `embedding_BE` what an encoder returns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PIXEL_TYPES = (np.uint8, np.uint16, np.int16)
"""Pixel types that the array store keeps; anything else is a bug of the caller."""


@dataclass(frozen=True)
class Volume:
    """One decoded image, display-ready, with the geometry that it had in the patient.

    Attributes:
        array: `(C, H, W)` or `(C, D, H, W)`; uint8 or uint16 grey values with 0 = black, or RGB with C = 3;
            int16 Hounsfield units for CT.
        spacing_mm: millimetres between voxel centres, one per spatial axis, in the order of `array`'s axes;
            None where the file does not say.
        affine: `(4, 4)` voxel index (column, row, slice) to RAS millimetres; None where the file has no position.
    """

    array: npt.NDArray[np.generic]
    spacing_mm: tuple[float, ...] | None = None
    affine: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        assert self.array.dtype.type in PIXEL_TYPES, self.array.dtype
        assert self.array.ndim in (3, 4), self.array.shape
