"""Truth from others: pixels by GDCM (SimpleITK), grey values by pydicom and numpy, geometry by SimpleITK and nibabel.

None of it imports the code under test. The codecs are not shared either: GDCM brings its own JPEG, JPEG-LS, JPEG 2000
and RLE decoders.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK
from judge import Array, Grid
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, apply_windowing

SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)

Picture = npt.NDArray[np.uint8]
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
CT_WINDOW = (40.0, 400.0)
"""Centre and width of `data.ct_window`, as documented."""


def decoded_by_gdcm(path: Path) -> Array:
    """`(F, H, W)` values after rescale, or `(F, H, W, 3)` RGB."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def decoded_by_pydicom(path: Path) -> Array:
    """`(H, W)` stored values through pydicom's modality transform: GDCM knows no lookup tables and inverts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path)
        return apply_modality_lut(ds.pixel_array, ds)


def shown(values: Array, ds: Dataset) -> Picture:
    """The picture of meaningful `(H, W)` values: pydicom's window or lookup table, or numpy's percentiles.

    CT takes `CT_WINDOW`; MR, and deep values without a window, the range of 99% of the pixels; 8-bit values without a
    window are shown as they are.
    """
    modality = ds.get("Modality")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if modality == "CT":
            grey = windowed(values, *CT_WINDOW)
        elif modality != "MR" and "VOILUTSequence" in ds:
            bits = int(ds.VOILUTSequence[0].LUTDescriptor[2])
            grey = 255 * (apply_voi_lut(values, ds) / (2**bits - 1))
        elif modality != "MR" and "WindowCenter" in ds:
            center, width = (np.atleast_1d(ds[name].value)[0] for name in ("WindowCenter", "WindowWidth"))
            grey = windowed(values, float(center), float(width), ds.get("VOILUTFunction", "LINEAR"))
        elif modality != "MR" and ds.BitsStored == 8 and ds.PixelRepresentation == 0:
            grey = values
        else:
            grey = percentiles(values)
    return _inverted(np.rint(grey).astype(np.uint8), ds)


def windowed(values: Array, center: float, width: float, function: str = "LINEAR") -> Array:
    """Pydicom's window onto 0..255, not rounded."""
    eight_bits = Dataset()
    eight_bits.PhotometricInterpretation, eight_bits.BitsStored, eight_bits.PixelRepresentation = "MONOCHROME2", 8, 0
    eight_bits.WindowCenter, eight_bits.WindowWidth, eight_bits.VOILUTFunction = center, width, function
    return apply_windowing(values.astype(np.float64), eight_bits)


def percentiles(values: Array) -> Array:
    """The values between the 0.5th and the 99.5th percentile onto 0..255, not rounded."""
    low, high = np.percentile(values, [0.5, 99.5], method="inverted_cdf").astype(np.float64)
    return 255 * np.clip((values - low) / (high - low), 0, 1)


def _inverted(picture: Picture, ds: Dataset) -> Picture:
    inverted = ds.PhotometricInterpretation == "MONOCHROME1" or ds.get("PresentationLUTShape") == "INVERSE"
    return np.asarray(255 - picture if inverted else picture, np.uint8)


def as_eight_bits(colours: Array, *, bits: int) -> Picture:
    """RGB of `bits` bits as 8."""
    return np.rint(colours.astype(np.float64) * (255 / (2**bits - 1))).astype(np.uint8)


def grid_by_itk(*paths: Path) -> Grid:
    """A volume of one file, or of slices in the order given by GDCM, which sorts by position."""
    names = [str(path) for path in paths]
    if len(names) == 1:
        image = SimpleITK.ReadImage(names[0])
    else:
        series = SimpleITK.ImageSeriesReader_GetGDCMSeriesFileNames(str(paths[0].parent))
        image = SimpleITK.ReadImage(series)
    return grid_of_image(image)


def grid_of_image(image: SimpleITK.Image) -> Grid:
    """An ITK image with its origin, spacing and direction as one affine."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return Grid(SimpleITK.GetArrayFromImage(image).T, LPS_TO_RAS @ affine)


def grid_by_highdicom(path: Path) -> Grid:
    """The volume of an enhanced object, after rescale."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import highdicom

        volume = highdicom.imread(path).get_volume()
    # Its axes are slice, row and column.
    return Grid(volume.array.transpose(2, 1, 0), LPS_TO_RAS @ volume.affine[:, [2, 1, 0, 3]])


def grid_by_dicom2nifti(folder: Path) -> Grid:
    """The only series in a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import dicom2nifti

        converted = dicom2nifti.dicom_series_to_nifti(folder, None, reorient_nifti=False)["NII"]
    return Grid(converted.get_fdata(), converted.affine)


def grids_by_nibabel(path: Path) -> tuple[Grid, ...]:
    """The volumes of a NIfTI file, one for each index of its fourth axis."""
    image = nibabel.load(path)
    values = np.asarray(image.dataobj)
    values = values.reshape(*values.shape[:3], *[1] * (3 - values.ndim), -1)
    return tuple(Grid(values[..., t], image.affine) for t in range(values.shape[-1]))
