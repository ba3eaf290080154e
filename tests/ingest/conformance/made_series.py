"""Series of slices whose every voxel says where in the patient it lies, so that no reader has to be believed.

The value of a voxel is its number in the grid, columns before rows before slices, less 1024. Whatever order a reader
finds, its affine and its values must agree with each other and with the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from judge import Array, Grid
from oracles import LPS_TO_RAS
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

Edit = Callable[[int, Dataset], None]


def unedited(_place: int, _ds: Dataset) -> None:
    """As it was made."""


AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, -0.8)

INTERCEPT = -1024
_NAMES = np.random.default_rng(7).permutation(64)  # so that the order of the names is not that of the slices


@dataclass(frozen=True)
class Lattice:
    """A grid in the patient.

    Attributes:
        shape: columns, rows and slices.
        spacing_mm: between columns, rows and slices.
        orientation: ImageOrientationPatient, where rows and where columns lead.
        origin_mm: centre of the first voxel, to the left, posterior, superior.
        shear_mm: by how much each slice lies further along its columns than the one before, as with a tilted gantry.
        brightness: is added to all values.
    """

    shape: tuple[int, int, int] = (16, 12, 8)
    spacing_mm: tuple[float, float, float] = (0.7, 0.9, 2.5)
    orientation: tuple[float, ...] = AXIAL
    origin_mm: tuple[float, float, float] = (-40.0, -130.5, 210.25)
    shear_mm: float = 0.0
    brightness: int = 0

    @property
    def affine(self) -> Array:
        """Index (column, row, slice) to RAS millimetres."""
        along, down = np.reshape(self.orientation, (2, 3))
        affine = np.eye(4)
        affine[:3, :3] = np.stack([along, down, np.cross(along, down)], axis=1) * np.array(self.spacing_mm)
        affine[:3, 2] += self.shear_mm * down
        affine[:3, 3] = self.origin_mm
        return LPS_TO_RAS @ affine

    @property
    def values(self) -> Array:
        """What the voxels hold, by column, row and slice."""
        numbers = np.arange(np.prod(self.shape)).reshape(self.shape, order="F")
        return numbers + self.brightness + INTERCEPT

    @property
    def grid(self) -> Grid:
        """The truth."""
        return Grid(self.values, self.affine)

    def position_lps(self, place: int) -> list[float]:
        """ImagePositionPatient of a slice."""
        return [round(float(value), 6) for value in (LPS_TO_RAS @ self.affine @ (0, 0, place, 1))[:3]]


@dataclass(frozen=True)
class Part:
    """Slices of one lattice.

    Attributes:
        lattice: their geometry and values.
        edit: what is special about them: gets the number of the slice and its data set.
        places: which slices there are; None for all.
        folder: below the one that is read.
    """

    lattice: Lattice = field(default_factory=Lattice)
    edit: Edit = unedited
    places: tuple[int, ...] | None = None
    folder: str = ""

    def write(self, folder: Path, *, number: int = 0) -> list[Path]:
        """CT slices, in files whose names say nothing; the paths, in the order of the slices.

        Args:
            folder: where they go.
            number: tells instances of one part from those of another.
        """
        (folder / self.folder).mkdir(parents=True, exist_ok=True)
        paths = []
        for place in range(self.lattice.shape[2]) if self.places is None else self.places:
            ds = _slice(self.lattice, place, number=number)
            self.edit(place, ds)
            paths.append(folder / self.folder / f"{_NAMES[place]:02}-{number}.dcm")
            ds.save_as(paths[-1], enforce_file_format=True)
        return paths


def _slice(lattice: Lattice, place: int, *, number: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.Modality, ds.PatientID = CTImageStorage, "CT", "MADE"
    ds.SOPInstanceUID = f"1.2.3.5.{number + 1}.{place + 1}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber, ds.AcquisitionNumber = place + 1, 1
    ds.ImagePositionPatient = lattice.position_lps(place)
    ds.ImageOrientationPatient = list(lattice.orientation)
    ds.SliceThickness = lattice.spacing_mm[2]
    ds.PixelSpacing = [lattice.spacing_mm[1], lattice.spacing_mm[0]]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = lattice.shape[1], lattice.shape[0]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, INTERCEPT, "HU"
    set_pixels(ds, lattice.values[..., place].T - INTERCEPT)
    return ds


def enhanced(frames: Sequence[tuple[Lattice, int]], *, edit: Edit = unedited) -> Dataset:
    """One enhanced CT of many frames.

    Args:
        frames: which slice of which lattice each frame is; all of one size.
        edit: what is special about a frame: gets its number and its functional groups.
    """
    lattice = frames[0][0]
    ds = _slice(lattice, 0, number=0)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(ds, keyword)
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType", "AcquisitionNumber"):
        delattr(ds, keyword)
    ds.SOPClassUID = EnhancedCTImageStorage
    ds.NumberOfFrames = len(frames)
    ds.SharedFunctionalGroupsSequence = [Dataset()]
    ds.PerFrameFunctionalGroupsSequence = []
    pixels = []
    for number, (where, place) in enumerate(frames):
        group = _functional_groups(where, place)
        edit(number, group)
        ds.PerFrameFunctionalGroupsSequence.append(group)
        rescale = group.PixelValueTransformationSequence[0]
        values = where.values[..., place].T
        pixels.append((values - int(rescale.RescaleIntercept)) // int(rescale.RescaleSlope))
    ds.PixelData = np.stack(pixels).astype("<u2").tobytes()
    return ds


def _functional_groups(lattice: Lattice, place: int) -> Dataset:
    group = Dataset()
    group.FrameContentSequence = [Dataset()]
    group.PlanePositionSequence = [_item(ImagePositionPatient=lattice.position_lps(place))]
    group.PlaneOrientationSequence = [_item(ImageOrientationPatient=list(lattice.orientation))]
    along, down, step = lattice.spacing_mm
    group.PixelMeasuresSequence = [_item(PixelSpacing=[down, along], SliceThickness=step)]
    group.PixelValueTransformationSequence = [_item(RescaleSlope=1, RescaleIntercept=INTERCEPT, RescaleType="HU")]
    return group


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def set_pixels(ds: Dataset, stored_HW: Array) -> None:
    """Stored values of 16 bits, signed or not as the data set says."""
    ds.PixelData = stored_HW.astype("<i2" if ds.PixelRepresentation else "<u2").tobytes()
    ds["PixelData"].VR = "OW"


def stored(ds: Dataset) -> Array:
    """The stored values of a made slice."""
    return np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns).astype(np.int64)


def elements(**values: object) -> Edit:
    """The same elements for all slices."""

    def edit(_: int, ds: Dataset) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return edit
