"""DICOM pictures made on the spot, whose truth is known from their making."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from judge import Array
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

RAMP_HW = np.add.outer(128 * np.arange(16), 100 * np.arange(16)).astype(np.uint16)
"""12-bit grey that rises to the right and, a little steeper, downwards."""

# RAMP_HW as other encoders wrote it: pydicom and its plugins can't. By imagecodecs 2026.3.6:
# OpenJPH 0.26.3, `htj2k_encode(RAMP_HW, reversible=True, resolutions=3)`, progression RPCL
_HTJ2K = (
    "|4;u>04YEK0000G0000G00000000000000G0000G0000000000009pH0sl|{2mk^A000XAQUDA90ssL30|W#>0smY84Iqe+kdTm&kcfzg|6~"
    "9c00B>MWo}APNFY{aav(4+GBz$VF8`1K3IG5A0049V0soW004o6hf7|xk__yx@fwTa?024p}6M&8#0s?dZj&$Szqf`LE02MF*1z5nqz`&|;f"
    "^`5s`taf7z(N7+wgA8YE8qYYh(@E)Xfzs)=gN9|aRPV%{(isT@Av!th(LSxApz{V0RPz"
)
# `htj2k_encode(RAMP_HW, level=1e-4, reversible=False, resolutions=3)`
_HTJ2K_LOSSY = (
    "|4;u>04YEK0000G0000G00000000000000G0000G0000000000009pH0sl|{2mk^A001ZdQUDA90ssL30|W#>0RLP77b1*xjEIbgjGTobg&~"
    "EFeD-|ye3}1b02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00000mjD6(lfVEgKubkcJePb{)%*g%v;e>WDj)zAAPEWT>HxyD01f0cAm;%Fv"
    ";e>WSHJ*TK$ND*?NT~TuKO}e%A0loT2(WS8IBo8#_<3UfTrzgH~_!^wV(i7U}Odn&LF}WL^y-^T$TKl{FVMIi+cc8RSQ^v1r)G=0v1rfen0>"
    "Ubie>9yIR$1J^=sO"
)
# liblj92, `ljpeg_encode(RAMP_HW, bitspersample=12)`, selection value 6
_LOSSLESS_JPEG = (
    "|JeV;02TlN0RaF20000000000000072n_$j01FHN5C9MX01*KH+5iXv000I60MGu&$jHdZ$jHdZ$jHdZ$jLw;ARr(hARr(hARr(hARtf(2nY"
    "xW2nYxW2nYxW2nZAc0s;a80s;a80s;a80s;j9fPjF2fPjF2fPjF2fPjHOARr(hARr(hARr(hARr)62nYxW2nYxW2nYxW2nYxi0s;a80s;a80"
    "s;a80s;aB0DypifPjF2fPjF2fPjF3Kp-F>ARr(hARr(hARr(hPzVSJ2nYxW2nYxW2nYxW6aoSQ0s;a80s;a80s;a81pt76fPjF2fPjF2fPjF"
    "2fj}T2ARr(hARr(hARr(hAW#Sh2nYxW2nYxW2nYxW2owSW0s;a80s;a80s;a80s#Nn"
)


def picture(stored: Array, **elements: object) -> Dataset:
    """A CR of `stored` pixels `(H, W)`, `(H, W, 3)` or, with NumberOfFrames, `(F, H, W)`; None removes an element."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[repr(elements), stored.tobytes().hex()])
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID, ds.Modality = "1.2.3.4", "1.2.3.4.5", "MADE", "CR"
    plane = stored.shape[1:] if "NumberOfFrames" in elements else stored.shape
    ds.Rows, ds.Columns = plane[:2]
    ds.SamplesPerPixel = 3 if len(plane) == 3 else 1
    if len(plane) == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = "RGB" if len(plane) == 3 else "MONOCHROME2"
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


def lookup_table(first: int, entries: Array, *, bits: int) -> Dataset:
    """An item of a modality or VOI LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", [int(entry) for entry in entries])
    return item


def encapsulated(stream: bytes, syntax: str) -> Dataset:
    """`RAMP_HW` with the pixels as `stream`."""
    ds = picture(RAMP_HW)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def htj2k() -> bytes:
    """`RAMP_HW` in lossless High-Throughput JPEG 2000."""
    return base64.b85decode(_HTJ2K)


def htj2k_lossy() -> bytes:
    """`RAMP_HW` in High-Throughput JPEG 2000, off by less than one grey level of 255."""
    return base64.b85decode(_HTJ2K_LOSSY)


def lossless_jpeg() -> bytes:
    """`RAMP_HW` in lossless JPEG that predicts from above and half the difference on the left."""
    return base64.b85decode(_LOSSLESS_JPEG)


def write(ds: Dataset, path: Path) -> Path:
    """The file of a data set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path
