"""Grey values: every way from what is stored to what is shown."""

from __future__ import annotations

import numpy as np
from case import Case
from made_pictures import RAMP_HW, lookup_table, picture
from making import GDCM, MAKING, PYDICOM_GREY, TWIN, decoded, looked_up, made, twin
from oracles import percentiles, windowed
from pydicom.dataset import Dataset

# An even width would put values in the middle between two grey levels, where rounding is anybody's.
_RAMP_WINDOW = {"WindowCenter": 1700, "WindowWidth": 1999}
_RAMP_SHOWN = windowed(RAMP_HW, 1700, 1999)
_DIAGONAL = np.eye(16, dtype=bool)
_SIGNED = (RAMP_HW.astype(np.int16) - 1700).astype(np.int16)
_EIGHT_BITS = (RAMP_HW // 14).astype(np.uint8)
_BITS = np.packbits(RAMP_HW > 1700, bitorder="little").tobytes()
_PADDED = np.where(_DIAGONAL, 4000, RAMP_HW).astype(np.uint16)
_UNPADDED_RANGE = np.percentile(_PADDED[~_DIAGONAL], [0.5, 99.5], method="inverted_cdf")
_CURVE = np.round(255 * np.linspace(0, 1, 4096) ** 2).astype(np.int64)


def _ramp(**elements: object) -> Dataset:
    """The ramp with a window that shows a part of it."""
    return picture(RAMP_HW, **_RAMP_WINDOW, **elements)


def _padded_as_unsigned() -> Dataset:
    """The padding value -2000 as many writers have it, 63536."""
    ds = picture(np.where(_DIAGONAL, -2000, _SIGNED).astype(np.int16), WindowCenter=0, WindowWidth=8000)
    ds.add_new("PixelPaddingValue", "US", 65536 - 2000)
    return ds


GREY = (
    Case("CR, MONOCHROME1 (RG3_UNCR)", PYDICOM_GREY, looked_up("RG3_UNCR.dcm")),
    Case("CR, MONOCHROME1, JPEG 2000 (RG3_J2KR)", TWIN, twin("RG3_J2KR.dcm", "RG3_UNCR.dcm")),
    Case("CR, MONOCHROME1 with rescale (dicomdirtests CR1)", PYDICOM_GREY,
        looked_up("dicomdirtests/77654033/CR1/6154")),
    Case("modality LUT (mlut_18)", PYDICOM_GREY, looked_up("mlut_18.dcm")),
    Case("VOI LUT (vlut_04)", PYDICOM_GREY, looked_up("vlut_04.dcm")),
    Case("VOI LUT that is a curve", PYDICOM_GREY, made(_ramp(VOILUTSequence=[lookup_table(0, _CURVE, bits=8)]),
        _CURVE[RAMP_HW])),
    Case("modality LUT that is a curve", MAKING, made(picture(RAMP_HW, ModalityLUTSequence=[lookup_table(0, _CURVE,
        bits=8)], WindowCenter=128, WindowWidth=256), _CURVE[RAMP_HW])),
    Case("window LINEAR", PYDICOM_GREY, made(_ramp(), _RAMP_SHOWN)),
    Case("window LINEAR_EXACT", PYDICOM_GREY, made(_ramp(VOILUTFunction="LINEAR_EXACT"), windowed(RAMP_HW, 1700, 1999,
        "LINEAR_EXACT"))),
    Case("window SIGMOID", PYDICOM_GREY, made(_ramp(VOILUTFunction="SIGMOID"), windowed(RAMP_HW, 1700, 1999,
        "SIGMOID"))),
    Case("two windows: the first", PYDICOM_GREY, made(picture(RAMP_HW, WindowCenter=[1700, 100], WindowWidth=[1999,
        50]), _RAMP_SHOWN)),
    Case("window of width 1", PYDICOM_GREY, made(picture(RAMP_HW, WindowCenter=1700, WindowWidth=1), windowed(RAMP_HW,
        1700, 1))),
    Case("rescale before the window", PYDICOM_GREY, made(picture(RAMP_HW, RescaleSlope=2, RescaleIntercept=-1000,
        WindowCenter=2400, WindowWidth=4000), windowed(RAMP_HW * 2.0 - 1000, 2400, 4000))),
    Case("rescale with a negative slope", PYDICOM_GREY, made(_ramp(RescaleSlope=-1, RescaleIntercept=3400),
        windowed(3400.0 - RAMP_HW, 1700, 1999))),
    Case("rescale of XA: not for display", "PS3.3 C.8.7.1.1.3", made(_ramp(Modality="XA", RescaleSlope=2,
        RescaleIntercept=-1000), _RAMP_SHOWN)),
    Case("CT: the window of the options, not the file's", PYDICOM_GREY, made(_ramp(Modality="CT", RescaleSlope=1,
        RescaleIntercept=-1024), windowed(RAMP_HW - 1024.0, 40, 400))),
    Case("signed values", PYDICOM_GREY, made(picture(_SIGNED, WindowCenter=0, WindowWidth=1999), windowed(_SIGNED, 0,
        1999))),
    Case("signed values of 12 bits in 16", PYDICOM_GREY, made(picture(_SIGNED & 0xFFF, BitsStored=12, HighBit=11,
        PixelRepresentation=1, WindowCenter=0, WindowWidth=1999), windowed(_SIGNED, 0, 1999))),
    Case("overlay in the unused high bits", MAKING, made(picture(RAMP_HW | 0x8000, BitsStored=12, HighBit=11,
        **_RAMP_WINDOW), _RAMP_SHOWN)),
    Case("values in the high bits", MAKING, made(picture(RAMP_HW << 4, BitsStored=12, HighBit=15, **_RAMP_WINDOW),
        _RAMP_SHOWN)),
    Case("8 bits without a window: as they are", MAKING, made(picture(_EIGHT_BITS), _EIGHT_BITS)),
    Case("12 bits without a window: range of 99% of the pixels", "numpy's percentiles", made(picture(RAMP_HW,
        BitsStored=12, HighBit=11), percentiles(RAMP_HW))),
    Case("32 bits", PYDICOM_GREY, made(picture(RAMP_HW.astype(np.uint32) << 12, WindowCenter=1700 << 12,
        WindowWidth=1999 << 12, VOILUTFunction="LINEAR_EXACT"), windowed(RAMP_HW, 1700, 1999, "LINEAR_EXACT"))),
    Case("1 bit", MAKING, made(picture(_EIGHT_BITS, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=_BITS),
        255 * (RAMP_HW > 1700))),
    Case("presentation LUT shape INVERSE", PYDICOM_GREY, made(_ramp(PresentationLUTShape="INVERSE"),
        255 - np.rint(_RAMP_SHOWN))),
    Case("MONOCHROME1 and INVERSE: inverted once", MAKING, made(_ramp(PhotometricInterpretation="MONOCHROME1",
        PresentationLUTShape="INVERSE"), 255 - np.rint(_RAMP_SHOWN))),
    Case("padding is black, and not in the range", "PS3.3 C.7.5.1.1.2", made(picture(_PADDED, PixelPaddingValue=4000),
        np.where(_DIAGONAL, 0, np.interp(_PADDED, _UNPADDED_RANGE, (0, 255))))),
    Case("padding of MONOCHROME1 is black too", "PS3.3 C.7.5.1.1.2", made(picture(_PADDED, PixelPaddingValue=4000,
        PhotometricInterpretation="MONOCHROME1", **_RAMP_WINDOW), np.where(_DIAGONAL, 0,
        255 - np.rint(windowed(_PADDED, 1700, 1999))))),
    Case("padding range", "PS3.3 C.7.5.1.1.2", made(_ramp(PixelPaddingValue=3000, PixelPaddingRangeLimit=3500),
        np.where(RAMP_HW >= 3000, 0, _RAMP_SHOWN))),
    Case("padding of signed values written as unsigned", "PS3.3 C.7.5.1.1.2", made(_padded_as_unsigned(),
        np.where(_DIAGONAL, 0, windowed(_SIGNED, 0, 8000)))),
    Case("overlay planes: never burned in (examples_overlay)", GDCM, decoded("examples_overlay.dcm")),
    Case("overlay planes, 12 bits (MR-SIEMENS-DICOM-WithOverlays)", GDCM, decoded("MR-SIEMENS-DICOM-WithOverlays.dcm")),
    Case("CT of 14 bits with padding (693_UNCI)", GDCM, decoded("693_UNCI.dcm")),
    Case("rows and columns differ, 3 x 5", MAKING, made(picture(_EIGHT_BITS[:3, :5]), _EIGHT_BITS[:3, :5])),
)  # fmt: skip
