"""A decoded volume before it gets its size, its grey values and its pseudonyms; it never leaves its process."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from medtrimix.ingest.flags import Flag
from medtrimix.ingest.grey import Window
from medtrimix.ingest.picture import Identity


@dataclass(frozen=True, eq=False)
class Voxels:
    """Full size, in meaningful values: Hounsfield units for CT, what the file's rescale gives for anything else.

    Attributes:
        values_CDHW: int16, int32 or float32; C channels (usually one), D slices along their normal, H rows, W columns.
        affine: `(4, 4)` voxel index (column, row, slice) to RAS millimetres, as NIfTI has it.
        window: what is shown, None for the robust range of the values.
        encoding: short name of the transfer syntax or file format.
        modality: DICOM modality, "" for other files.
        padded_DHW: voxels that mean "no picture here", shown black and left out of the range; None if there are none.
        identity: empty for anything but DICOM.
        flags: see `Flag`.
        frame: which volume of its file, for files of several.
        inverted: low values are shown white (MONOCHROME1, or presentation LUT shape INVERSE); values stay as they are.
        duplicates: places, among the files of the volume, of those that repeat the pixels of another at one position.
    """

    values_CDHW: npt.NDArray[np.generic]
    affine: npt.NDArray[np.float64]
    window: Window | None
    encoding: str
    modality: str = ""
    padded_DHW: npt.NDArray[np.bool_] | None = None
    identity: Identity = field(default_factory=Identity)
    flags: tuple[Flag, ...] = ()
    frame: int = 0
    inverted: bool = False
    duplicates: tuple[int, ...] = ()

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distances of slices, of rows and of columns."""
        along_column, along_row, along_slice = (float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))
        return along_slice, along_row, along_column
