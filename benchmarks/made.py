"""Medical images made on the spot: smooth anatomy under the noise of a detector, in any encoding.

Pure noise would be unfair to every codec, and flat areas would be too easy.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import nibabel
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float32]

PLUGINS = {JPEG2000Lossless: "pylibjpeg", JPEGLSLossless: "pyjpegls", RLELossless: "pylibjpeg"}
"""pydicom's encoders, by the syntaxes that they write."""


def anatomy(*shape: int, noise: float = 0.01, rng: np.random.Generator) -> Floats:
    """Smooth shapes of several sizes under normal noise, of that shape, mostly within 0..1."""
    result = np.zeros(shape, np.float32)
    for scale in (4, 12, 32):
        smooth = rng.random([min(side, scale) for side in shape], np.float32)
        for axis, side in enumerate(shape):
            smooth = _stretched(smooth, axis=axis, side=side)
        result += smooth / 3
    return result + rng.normal(0, noise, shape).astype(np.float32)


def _stretched(values: Floats, *, axis: int, side: int) -> Floats:
    """Linear interpolation to `side` values along an axis."""
    place = np.linspace(0, values.shape[axis] - 1, side, dtype=np.float32)
    low = np.minimum(place.astype(np.intp), max(0, values.shape[axis] - 2))
    share = (place - low).reshape([-1 if number == axis else 1 for number in range(values.ndim)])
    upper = np.take(values, np.minimum(low + 1, values.shape[axis] - 1), axis)
    result: Floats = np.take(values, low, axis) * (1 - share) + upper * share
    return result


def radiograph(*, side: int, rng: np.random.Generator, bits: int = 16) -> npt.NDArray[np.uint16]:
    """Stored values of a square radiograph, `(side, side)`; a tenth of a percent of noise, as flat panels have it."""
    top = 2**bits - 1
    return np.clip(anatomy(side, side, noise=0.001, rng=rng) * top, 0, top).astype(np.uint16)


def dicom(stored: Array, *, name: str, syntax: UID = ExplicitVRLittleEndian, **elements: object) -> bytes:
    """A DICOM file around grey or RGB pixels; `name` makes its UIDs, `elements` go into the data set by keyword."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.Modality = ComputedRadiographyImageStorage, "CR"
    ds.StudyInstanceUID = ds.SeriesInstanceUID = generate_uid(entropy_srcs=["series", name])
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[name])
    ds.PatientID = "P1"
    ds.Rows, ds.Columns = stored.shape[:2]
    ds.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    if stored.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * stored.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW" if stored.dtype.itemsize > 1 else "OB"
    if syntax in PLUGINS:
        ds.compress(syntax, encoding_plugin=PLUGINS[syntax], generate_instance_uid=False)
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def ct_series(
    *, slices: int, side: int, name: str, rng: np.random.Generator, syntax: UID = ExplicitVRLittleEndian
) -> Iterator[bytes]:
    """The files of an axial CT from the feet up, 12 bits, with the usual rescale to Hounsfield units."""
    volume = np.clip(anatomy(slices, side, side, rng=rng) * 3000, 0, 4095).astype(np.uint16)
    for place, stored in enumerate(volume):
        yield dicom(
            stored,
            name=f"{name} {place}",
            syntax=syntax,
            SOPClassUID=CTImageStorage,
            Modality="CT",
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            StudyInstanceUID=generate_uid(entropy_srcs=["study", name]),
            SeriesInstanceUID=generate_uid(entropy_srcs=["series", name]),
            FrameOfReferenceUID=generate_uid(entropy_srcs=["frame", name]),
            InstanceNumber=place + 1,
            BitsStored=12,
            HighBit=11,
            RescaleSlope=1,
            RescaleIntercept=-1024,
            PixelSpacing=[0.7, 0.7],
            SliceThickness=1.5,
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[-120, -130, 1.5 * place],
        )


def nifti(*shape: int, rng: np.random.Generator, zipped: bool = True) -> bytes:
    """An int16 NIfTI with a scaling and an affine."""
    values = (anatomy(*shape, rng=rng) * 2000).astype(np.int16)
    image = nibabel.Nifti1Image(values, np.diag([-0.9, -0.9, 1.2, 1]))
    image.header.set_slope_inter(0.5, -100)
    data = image.to_bytes()
    if not zipped:
        return bytes(data)
    import gzip

    return gzip.compress(data, compresslevel=6, mtime=0)


def raster(kind: str, *, side: int, rng: np.random.Generator, colour: bool = False) -> bytes:
    """A PNG, JPEG or TIFF of 8 bits."""
    shape = (side, side, 3) if colour else (side, side)
    values = np.clip(anatomy(*shape, rng=rng) * 255, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind)
    return file.getvalue()
