"""Small DICOM files made on the spot, every identifier of which is a canary."""

from __future__ import annotations

import io
from copy import deepcopy
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CANARIES = ("CANARY", "MRN", "ACC1", "19010203")
CR = "1.2.840.10008.5.1.4.1.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def radiograph(stored: np.ndarray, **elements: object) -> Dataset:
    """A CR data set around `stored` pixels `(H, W)` or `(H, W, 3)`; `elements` by keyword, None removes one."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CR
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[repr(elements), stored.tobytes().hex()])
    ds.StudyInstanceUID = "1.2.3.4"
    ds.SeriesInstanceUID = "1.2.3.4.5"
    ds.PatientName, ds.PatientID, ds.AccessionNumber = "CANARY^NAME", "MRN0001", "ACC1234"
    ds.InstitutionName, ds.StudyDate = "CANARY HOSPITAL", "19010203"
    ds.Modality = "CR"
    ds.Rows, ds.Columns = stored.shape[:2]
    ds.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    if stored.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * stored.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    ds["PixelData"].VR = "OW" if stored.dtype.itemsize > 1 else "OB"
    for keyword, value in elements.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return ds


def write(ds: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def lut(first: int, entries: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    return item


def noise(shape: tuple[int, ...] = (24, 32), *, bits: int = 12, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 2**bits, shape)
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


def hounsfield(shape: tuple[int, ...] = (6, 12, 16), *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1024, 3000, shape).astype(np.int16)


def ct_series(
    values_DHW: np.ndarray,
    *,
    spacing_mm: tuple[float, float, float] = (2.5, 0.8, 0.7),
    first_mm: tuple[float, float, float] = (-10.0, -20.0, 30.0),
    orientation: tuple[float, ...] = AXIAL,
    shear_degrees: float = 0.0,
    **elements: object,
) -> list[Dataset]:
    """CT slices of Hounsfield units, in the order of their positions; `elements` go into each of them."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    step = spacing_mm[0] * (np.cross(row, column) + np.tan(np.radians(shear_degrees)) * column)
    slices = []
    for number, values_HW in enumerate(values_DHW):
        ds = radiograph((values_HW.astype(np.int32) + 1024).astype(np.uint16), Modality="CT", SOPClassUID=CT)
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        ds.FrameOfReferenceUID = "1.2.3.4.9"
        ds.SOPInstanceUID = f"1.2.3.4.5.{number + 1}"
        ds.InstanceNumber = number + 1
        ds.PixelSpacing = list(spacing_mm[1:])
        ds.SliceThickness = spacing_mm[0]
        ds.ImageOrientationPatient = list(orientation)
        ds.ImagePositionPatient = [round(float(value), 6) for value in np.add(first_mm, number * step)]
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
        slices.append(ds)
    return slices


def enhanced(slices: list[Dataset], *, groups: list[Dataset] | None = None) -> Dataset:
    """One multi-frame object of the slices of `ct_series`, frames in their order; `groups` add to each frame's own."""
    ds = deepcopy(slices[0])
    ds.SOPClassUID, ds.NumberOfFrames = ENHANCED_CT, len(slices)
    moved = {
        "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
        "PlaneOrientationSequence": ("ImageOrientationPatient",),
        "PlanePositionSequence": ("ImagePositionPatient",),
        "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
    }
    frames = []
    for number, one in enumerate(slices):
        frame = Dataset()
        for macro, keywords in moved.items():
            item = Dataset()
            for keyword in keywords:
                item[keyword] = one[keyword]
            setattr(frame, macro, [item])
        if groups is not None:
            frame.update(groups[number])
        frames.append(frame)
    for keyword in (keyword for keywords in moved.values() for keyword in keywords):
        del ds[keyword]
    ds.SharedFunctionalGroupsSequence = [Dataset()]
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.PixelData = b"".join(one.PixelData for one in slices)
    ds["PixelData"].VR = "OW"
    return ds


def group(macro: str, **elements: object) -> Dataset:
    """A functional group of one item."""
    item, ds = Dataset(), Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    setattr(ds, macro, [item])
    return ds


def as_bytes(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
