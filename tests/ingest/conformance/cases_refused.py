"""What is no picture, and what is damaged: one verdict each."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
from case import Case, bundled
from judge import Content
from made_pictures import RAMP_HW, encapsulated, picture
from making import GDCM, GDCM_COLOUR, MAKING, STANDARD, colour, decoded, refused
from oracles import decoded_by_gdcm, shown
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLossless

from medtrimix.ingest.verdict import Verdict


def _rewrapped(name: str, **elements: object) -> Dataset:
    ds = pydicom.dcmread(bundled(name))
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def _part(name: str, share: float) -> bytes:
    data = bundled(name).read_bytes()
    return data[: int(share * len(data))]


def _floats() -> Dataset:
    ds = picture(RAMP_HW.astype(np.float32), BitsAllocated=32, BitsStored=None, HighBit=None)
    ds.FloatPixelData = ds.PixelData
    del ds.PixelData
    return ds


def _number_of_frames_1a() -> bytes:
    file = io.BytesIO()
    picture(np.repeat(RAMP_HW[None], 17, axis=0), NumberOfFrames=17).save_as(file, enforce_file_format=True)
    number_of_frames = b"\x28\x00\x08\x00IS\x02\x00"
    return file.getvalue().replace(number_of_frames + b"17", number_of_frames + b"1A")


def _headless(folder: Path) -> tuple[Path, Content]:
    path = folder / "ct"
    ds = pydicom.dcmread(bundled("CT_small.dcm"))
    truth = shown(decoded_by_gdcm(bundled("CT_small.dcm"))[0], ds)
    del ds.file_meta, ds.preamble
    pydicom.dcmwrite(path, ds, implicit_vr=True, little_endian=True)
    return path, Content(pictures=(truth,))


_CUT_IN_HALF = _part("CT_small.dcm", 0.5)
_COLOURS = np.dstack([RAMP_HW // 14] * 3).astype(np.uint8)

NO_PICTURES = (
    Case("DICOMDIR", STANDARD, refused("dicomdirtests/DICOMDIR", Verdict.no_pixels)),
    Case("structured report (reportsi)", STANDARD, refused("reportsi.dcm", Verdict.no_pixels)),
    Case("radiotherapy plan (rtplan)", STANDARD, refused("rtplan.dcm", Verdict.no_pixels)),
    Case("electrocardiogram (waveform_ecg)", STANDARD, refused("waveform_ecg.dcm", Verdict.no_pixels)),
    Case("CT without pixels (TINY_ALPHA)", STANDARD,
        refused("dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000000", Verdict.no_pixels)),
    Case("dose (rtdose)", "documented: no image", refused("rtdose.dcm", Verdict.not_an_image)),
    Case("segmentation (liver)", "documented: no image", refused("liver.dcm", Verdict.not_an_image)),
    Case("parametric map: floats", "documented", refused(_floats(), Verdict.unsupported_pixels)),
    Case("colours in CMYK", "documented: retired", refused(picture(_COLOURS, PhotometricInterpretation="CMYK"),
        Verdict.unsupported_pixels)),
    Case("text that is named .dcm", MAKING, refused(b"Dear colleague", Verdict.not_dicom)),
    Case("empty file", MAKING, refused(b"", Verdict.not_dicom)),
    Case("gzip (zipMR)", MAKING, refused("zipMR.gz", Verdict.not_an_image)),
)  # fmt: skip

DAMAGED = (
    Case("without preamble, file meta and name ending", "GDCM's values of CT_small, pydicom's window", _headless),
    Case("a stray byte before the first element (no_meta)", "pydicom and GDCM fail", refused("no_meta.dcm",
        Verdict.not_dicom)),
    Case("trailing padding (MR_small_padded)", GDCM, decoded("MR_small_padded.dcm")),
    Case("transfer syntax missing, pixels in implicit little endian (OT-PAL-8-face)", GDCM_COLOUR,
        colour("OT-PAL-8-face.dcm")),
    Case("sequence of undefined VR (bad_sequence)", GDCM, decoded("bad_sequence.dcm")),
    Case("unknown VRs (explicit_VR-UN)", GDCM, decoded("explicit_VR-UN.dcm")),
    Case("truncated pixels (MR_truncated)", "pydicom's README", refused("MR_truncated.dcm", Verdict.truncated)),
    Case("cut in the middle", MAKING, refused(_CUT_IN_HALF, Verdict.truncated)),
    Case("cut in the header", MAKING, refused(_CUT_IN_HALF[:6500], Verdict.truncated)),
    Case("NumberOfFrames '1A'", MAKING, refused(_number_of_frames_1a(), Verdict.invalid_header)),
    Case("NumberOfFrames '1A', of a dose (badVR)", "documented: no image", refused("badVR.dcm", Verdict.not_an_image)),
    Case("JPEG 2000 larger than its header says", MAKING, refused(_rewrapped("US1_J2KR.dcm", Rows=100, Columns=100),
        Verdict.size_mismatch)),
    Case("JPEG 2000 with a delimiter inside (JPEG2000-embedded-sequence-delimiter)", "pydicom and GDCM fail",
        refused("JPEG2000-embedded-sequence-delimiter.dcm", Verdict.size_mismatch)),
    Case("JPEG with a misplaced marker (JPEG-lossy)", "documented: not repaired", refused("JPEG-lossy.dcm",
        Verdict.decoder_error)),
    Case("noise in place of a JPEG", MAKING, refused(encapsulated(b"\xff\xd8\xff" + bytes(range(200)), JPEGLossless),
        Verdict.decoder_error)),
    Case("fewer pixels than rows and columns", MAKING, refused(picture(RAMP_HW, Rows=17), Verdict.truncated)),
    Case("more bits stored than allocated", MAKING, refused(picture(RAMP_HW, BitsStored=17), Verdict.invalid_header)),
    Case("no rows", MAKING, refused(picture(RAMP_HW, Rows=0), Verdict.invalid_header)),
    Case("a billion pixels in 512 bytes", MAKING, refused(picture(RAMP_HW, Rows=32768, Columns=32768),
        Verdict.too_large)),
)  # fmt: skip
