"""Series of slices: what is one volume, what is several, what is none, and where in the patient it lies."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
from case import VOLUMES, Case, bundled
from judge import Array, Content, Grid
from made_series import CORONAL, INTERCEPT, OBLIQUE, SAGITTAL, Edit, Lattice, Part, elements, set_pixels, stored
from oracles import grid_by_itk
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from medtrimix.ingest.verdict import Verdict

Made = Callable[[Path], tuple[Path, Content]]

MAKING = "its making"
ITK = "SimpleITK"
_PLAIN = Lattice()
_COUNT = _PLAIN.shape[2]
_BRIGHT = Lattice(brightness=2000)
_SHORT_OF_4 = tuple(place for place in range(_COUNT) if place != 4)


def _made(*parts: Part, volumes: Sequence[Grid] | None = None, refused: Sequence[Verdict] = ()) -> Made:
    """One folder of all parts; each is a volume, unless it is said otherwise."""

    def make(folder: Path) -> tuple[Path, Content]:
        for number, part in enumerate(parts):
            part.write(folder, number=number)
        truth = [part.lattice.grid for part in parts] if volumes is None else volumes
        return folder, Content(volumes=tuple(truth), refused=tuple(refused))

    return make


def _refused(verdict: Verdict, part: Part) -> Made:
    """Slices that make no volume."""
    count = part.lattice.shape[2] if part.places is None else len(part.places)
    return _made(part, volumes=(), refused=[verdict] * count)


def _tilted(degrees: float) -> Made:
    """A sheared lattice: refused, or read with its shear."""
    lattice = Lattice(shear_mm=float(np.tan(np.radians(degrees)) * _PLAIN.spacing_mm[2]))

    def make(folder: Path) -> tuple[Path, Content]:
        Part(lattice).write(folder)
        return folder, Content(refused=(Verdict.tilt,) * _COUNT, otherwise=Content(volumes=(lattice.grid,)))

    return make


def _disturbed(disturb: Callable[[list[Path]], None], *, volumes: Sequence[Grid], refused: Sequence[Verdict]) -> Made:
    """A plain series, after something was done to its files."""

    def make(folder: Path) -> tuple[Path, Content]:
        disturb(Part().write(folder))
        return folder, Content(volumes=tuple(volumes), refused=tuple(refused))

    return make


def _numbered(numbers: Sequence[int]) -> Edit:
    return lambda place, ds: setattr(ds, "InstanceNumber", numbers[place])


def _moved(offsets_mm: Sequence[float], *, axis: int = 2) -> Edit:
    """Positions that are off by some millimetres."""

    def edit(place: int, ds: Dataset) -> None:
        position = list(ds.ImagePositionPatient)
        position[axis] += offsets_mm[place]
        ds.ImagePositionPatient = position

    return edit


def _without(*keywords: str) -> Edit:
    def edit(_: int, ds: Dataset) -> None:
        for keyword in keywords:
            delattr(ds, keyword)

    return edit


def _scout(place: int, ds: Dataset) -> None:
    """A localizer in the plane that sees the patient from the front."""
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.ImageOrientationPatient = list(CORONAL)


def _signed(_: int, ds: Dataset) -> None:
    ds.PixelRepresentation, ds.RescaleIntercept = 1, 0
    set_pixels(ds, stored(ds) + INTERCEPT)


def _scaled_by_slice(place: int, ds: Dataset) -> None:
    """As PET has it: the slope differs from slice to slice, so stored values of slices can't be compared."""
    slope = place + 1
    ds.Modality, ds.RescaleType, ds.Units = "PT", "BQML", "BQML"
    values = (stored(ds) + INTERCEPT) // slope * slope  # what the slope can hold
    ds.RescaleSlope, ds.RescaleIntercept = slope, -slope * 1024
    set_pixels(ds, values // slope + 1024)


def _scaled_by_slice_truth() -> Grid:
    slopes = np.arange(1, _COUNT + 1)
    return _valued(_PLAIN.values // slopes * slopes)


def _valued(values: Array) -> Grid:
    """The plain grid with other values."""
    return Grid(values, _PLAIN.affine)


def _compressed(syntax: str) -> Edit:
    return lambda _, ds: ds.compress(syntax)


def _implicit(_: int, ds: Dataset) -> None:
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def _mri(_: int, ds: Dataset) -> None:
    """Whatever units the scanner likes, and no rescale."""
    ds.Modality = "MR"
    del ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType


def _half(slope: float, intercept: float) -> Edit:
    return elements(RescaleSlope=slope, RescaleIntercept=intercept)


def _copy(paths: list[Path]) -> None:
    shutil.copy(paths[3], paths[3].with_name("copy.dcm"))


def _copy_with_new_uid(paths: list[Path]) -> None:
    ds = pydicom.dcmread(paths[3])
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.5.9.9"
    ds.save_as(paths[3].with_name("copy.dcm"))


def _another_at_one_place(paths: list[Path]) -> None:
    ds = pydicom.dcmread(paths[3])
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.5.9.9"
    set_pixels(ds, stored(ds)[::-1])
    ds.save_as(paths[3].with_name("other.dcm"))


def _cut(paths: list[Path]) -> None:
    paths[3].write_bytes(paths[3].read_bytes()[:-100])


def _text_beside(paths: list[Path]) -> None:
    (paths[0].parent / "README.txt").write_text("exported on request")


def _no_endings(paths: list[Path]) -> None:
    for path in paths:
        path.rename(path.with_suffix(""))


def _real(name: str) -> Made:
    """The slices of a real series, as SimpleITK reads them."""
    return lambda _: (bundled(name), Content(volumes=(grid_by_itk(*sorted(bundled(name).iterdir())),), tolerance=0))


def _refused_folder(name: str, verdict: Verdict) -> Made:
    count = len(list(bundled(name).iterdir()))
    return lambda _: (bundled(name), Content(refused=(verdict,) * count))


def _refused_file(name: str, verdict: Verdict) -> Made:
    return lambda _: (bundled(name), Content(refused=(verdict,)))


def _case(name: str, make: Made, *, truth_from: str = MAKING) -> Case:
    return Case(name, truth_from, make, VOLUMES)


ORDER = (
    _case("axial CT", _made(Part())),
    _case("InstanceNumber scrambled", _made(Part(edit=_numbered([5, 2, 8, 1, 7, 3, 6, 4])))),
    _case("InstanceNumber all equal", _made(Part(edit=_numbered([1] * _COUNT)))),
    _case("InstanceNumber descending", _made(Part(edit=_numbered(range(_COUNT, 0, -1))))),
    _case("InstanceNumber absent", _made(Part(edit=_without("InstanceNumber")))),
    _case("SliceLocation lies", _made(Part(edit=lambda place, ds: setattr(ds, "SliceLocation", -3.0 * place)))),
    _case("SliceThickness is not the distance of slices", _made(Part(edit=elements(SliceThickness=5)))),
    _case("SpacingBetweenSlices lies", _made(Part(edit=elements(SpacingBetweenSlices=-7)))),
    _case("files without endings", _disturbed(_no_endings, volumes=[_PLAIN.grid], refused=())),
    _case("slices of one series in two folders", _made(
        Part(places=(0, 2, 3, 7), folder="a"), Part(places=(1, 4, 5, 6), folder="b"), volumes=[_PLAIN.grid])),
    _case("a text file in the folder", _disturbed(
        _text_beside, volumes=[_PLAIN.grid], refused=[Verdict.not_an_image])),
)  # fmt: skip

GEOMETRY = (
    _case("sagittal", _made(Part(Lattice(orientation=SAGITTAL)))),
    _case("coronal", _made(Part(Lattice(orientation=CORONAL)))),
    _case("oblique in two angles", _made(Part(Lattice(orientation=OBLIQUE)))),
    _case("rows and columns of different spacing", _made(Part(Lattice(spacing_mm=(0.5, 1.5, 3.0))))),
    _case("as many rows as columns and slices", _made(Part(Lattice(shape=(8, 8, 8))))),
    _case("orientation written with noise of 1e-5", _made(Part(edit=lambda place, ds: setattr(
        ds, "ImageOrientationPatient", [1, 1e-5 * place, 0, 0, 1, 0])))),
    _case("positions rounded to 0.01 mm", _made(
        Part(edit=_moved([0, 0.004, -0.003, 0.001, 0, 0.002, -0.004, 0])))),
    _case("real CT (dicomdirtests CT5N)", _real("dicomdirtests/98892001/CT5N"), truth_from=ITK),
)  # fmt: skip

VALUES = (
    _case("signed values, padding -2000", _made(Part(edit=_signed))),
    _case("12 of 16 bits", _made(Part(edit=elements(BitsStored=12, HighBit=11)))),
    _case("fractional rescale", _made(
        Part(edit=_half(0.5, -12.25)), volumes=[_valued((_PLAIN.values - INTERCEPT) * 0.5 - 12.25)])),
    _case("rescale differs from slice to slice (PET)", _made(
        Part(edit=_scaled_by_slice), volumes=[_scaled_by_slice_truth()])),
    _case("MR without rescale", _made(
        Part(edit=_mri), volumes=[_valued(_PLAIN.values - INTERCEPT)])),
    _case("implicit little endian", _made(Part(edit=_implicit))),
    _case("RLE", _made(Part(edit=_compressed(RLELossless)))),
    _case("JPEG-LS", _made(Part(edit=_compressed(JPEGLSLossless)))),
    _case("JPEG 2000", _made(Part(Lattice(shape=(64, 48, 3)), _compressed(JPEG2000Lossless)))),
    _case("each slice in another transfer syntax", _made(Part(edit=lambda place, ds: None if place % 2 else ds.compress(
        RLELossless)))),
)  # fmt: skip

SEVERAL = (
    _case("two series in a folder", _made(Part(), Part(_BRIGHT, elements(SeriesInstanceUID="1.2.3.9")))),
    _case("two frames of reference in a series", _made(Part(), Part(_BRIGHT, elements(FrameOfReferenceUID="1.2.3.9")))),
    _case("two acquisitions at the same positions", _made(Part(), Part(_BRIGHT, elements(AcquisitionNumber=2)))),
    _case("two echoes at the same positions", _made(
        Part(edit=elements(EchoTime=4.6)), Part(_BRIGHT, elements(EchoTime=9.2)))),
    _case("two temporal positions", _made(
        Part(edit=elements(TemporalPositionIdentifier=1)), Part(_BRIGHT, elements(TemporalPositionIdentifier=2)))),
    _case("two diffusion weights", _made(
        Part(edit=elements(DiffusionBValue=0.0)), Part(_BRIGHT, elements(DiffusionBValue=1000.0)))),
    _case("magnitude and phase", _made(
        Part(edit=elements(ImageType=["ORIGINAL", "PRIMARY", "M"])),
        Part(_BRIGHT, elements(ImageType=["ORIGINAL", "PRIMARY", "P"])))),
    _case("axial and coronal slices in a series", _made(Part(), Part(Lattice(orientation=CORONAL, brightness=2000)))),
    _case("two pixel spacings in a series", _made(
        Part(), Part(Lattice(spacing_mm=(0.5, 0.5, 2.5), brightness=2000)))),
    _case("two patients with the same series UID", _made(
        Part(), Part(_BRIGHT, elements(PatientID="OTHER")))),
)  # fmt: skip

NO_VOLUMES = (
    _case("a slice is missing", _refused(Verdict.gap, Part(places=_SHORT_OF_4))),
    _case("distances of slices change", _refused(Verdict.gap, Part(edit=_moved([0, 0, 0, 0, 0.5, 1, 1.5, 2])))),
    _case("a slice twice, in two files", _disturbed(_copy, volumes=[_PLAIN.grid], refused=[Verdict.duplicate])),
    _case("a slice twice, under another UID", _disturbed(
        _copy_with_new_uid, volumes=[_PLAIN.grid], refused=[Verdict.duplicate])),
    _case("two slices at one position, which nothing tells apart", _disturbed(
        _another_at_one_place, volumes=(), refused=[Verdict.mixed_geometry] * (_COUNT + 1))),
    _case("a localizer in the series", _made(
        Part(), Part(edit=_scout, places=(0,)), volumes=[_PLAIN.grid], refused=[Verdict.localizer])),
    _case("gantry tilted by 12 degrees", _tilted(12)),
    _case("gantry tilted by 0.5 degrees", _tilted(0.5)),
    _case("a slice beside the others", _refused(Verdict.tilt, Part(edit=_moved([0, 0, 0, 4, 0, 0, 0, 0], axis=0)))),
    _case("two slices", _refused(Verdict.too_few_slices, Part(places=(0, 1))), truth_from="documented"),
    _case("no ImagePositionPatient", _refused(Verdict.no_position, Part(edit=_without("ImagePositionPatient")))),
    _case("no ImageOrientationPatient", _refused(Verdict.no_position, Part(edit=_without("ImageOrientationPatient")))),
    _case("orientation that is no rotation", _refused(
        Verdict.invalid_header, Part(edit=elements(ImageOrientationPatient=[1, 0, 0, 1, 0, 0])))),
    _case("one slice cut off", _disturbed(
        _cut, volumes=(), refused=[Verdict.truncated] + [Verdict.incomplete] * (_COUNT - 1))),
    _case("a radiograph where volumes are wanted (RG3_UNCR)", _refused_file(
        "RG3_UNCR.dcm", Verdict.no_volume), truth_from="documented"),
    _case("a colour picture where volumes are wanted (SC_rgb)", _refused_file(
        "SC_rgb.dcm", Verdict.no_volume), truth_from="documented"),
    _case("a structured report among volumes (reportsi)", _refused_file("reportsi.dcm", Verdict.no_pixels)),
    _case("a segmentation among volumes (liver)", _refused_file(
        "liver.dcm", Verdict.not_an_image), truth_from="documented"),
    _case("real CT scouts (dicomdirtests CT2N)", _refused_folder("dicomdirtests/98892001/CT2N", Verdict.localizer)),
    _case("real CT with slices missing (dicomdirtests CT2)", _refused_folder(
        "dicomdirtests/77654033/CT2", Verdict.gap), truth_from="its positions"),
    _case("real MR scouts in three planes (dicomdirtests MR2)", _refused_folder(
        "dicomdirtests/98892003/MR2", Verdict.too_few_slices), truth_from="its positions"),
    _case("real MR projections from seven sides (dicomdirtests MR700)", _refused_folder(
        "dicomdirtests/98892003/MR700", Verdict.too_few_slices), truth_from="its orientations"),
)  # fmt: skip
