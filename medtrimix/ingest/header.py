"""The header gate: what a DICOM file is and whether it can be read, before a single pixel is touched."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from medtrimix.ingest.grey import AsStored, Display, LookupTable, Rescale, Window
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Identity
from medtrimix.ingest.verdict import Refused, Verdict

ALLOWED_TAGS = [Tag(keyword) for keyword in (
    "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "IssuerOfPatientID", "Modality",
    "NumberOfFrames", "SharedFunctionalGroupsSequence",
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape",
    "PixelSpacing", "ImagerPixelSpacing", "EstimatedRadiographicMagnificationFactor",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
)]  # fmt: skip
"""The elements that are parsed at all; names, dates, institutions and free text are skipped over unread."""

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_NOT_PICTURES = ("RTDOSE", "SEG")  # pixel data that are doses or masks
_NO_MODALITY_TRANSFORM = ("XA", "XRF")  # their rescale belongs to subtraction, not to display (PS3.3 C.8.7.1.1.3)


@dataclass(frozen=True)
class PixelModule:
    """The attributes that say how to read the pixels (PS3.3 C.7.6.3), checked against each other."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def grey(self) -> bool:
        """Whether the pixels are grey values, in contrast to colours and indices into a palette."""
        return self.photometric in _GREY


def check_is_a_picture(header: Dataset) -> None:
    """Refuses what is no single picture.

    Raises:
        Refused: dose, segmentation, or several frames. Enhanced objects with one frame count as several: their grey
            transform lies in functional groups.
    """
    if header.get("Modality") in _NOT_PICTURES:
        raise Refused(Verdict.not_an_image)
    if int(header.get("NumberOfFrames") or 1) != 1 or "SharedFunctionalGroupsSequence" in header:
        raise Refused(Verdict.unsupported_multiframe)


def pixel_module(header: Dataset, *, max_megapixels: float) -> PixelModule:
    """The checked pixel attributes.

    Raises:
        Refused: invalid_header, unsupported_pixels or too_large.
    """
    allocated = int(header.BitsAllocated)
    stored = int(header.get("BitsStored") or allocated)
    module = PixelModule(
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples=int(header.get("SamplesPerPixel") or 1),
        photometric=str(header.PhotometricInterpretation).strip().upper(),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=int(header.get("HighBit", stored - 1)),
        signed=int(header.get("PixelRepresentation") or 0) == 1,
    )
    if module.grey or module.photometric == "PALETTE COLOR":
        consistent = module.samples == 1
    elif module.photometric in _COLOUR:
        consistent = module.samples == 3 and not module.signed
    else:
        raise Refused(Verdict.unsupported_pixels)
    if allocated not in (1, 8, 16, 32):
        raise Refused(Verdict.unsupported_pixels)
    bits_fit = 1 <= stored <= module.high_bit + 1 <= allocated
    if not (consistent and bits_fit and module.rows > 0 and module.columns > 0):
        raise Refused(Verdict.invalid_header)
    if module.rows * module.columns > max_megapixels * 1e6:
        raise Refused(Verdict.too_large)
    return module


def identity_of(header: Dataset) -> Identity:
    """The identifiers, as text without padding."""
    return Identity(
        patient_id=_text(header, "PatientID"),
        issuer=_text(header, "IssuerOfPatientID"),
        study_uid=_text(header, "StudyInstanceUID"),
        series_uid=_text(header, "SeriesInstanceUID"),
        instance_uid=_text(header, "SOPInstanceUID"),
    )


def spacing_mm(header: Dataset) -> tuple[float, float] | None:
    """Millimetres between rows and between columns in the patient; None if the file does not say.

    PixelSpacing, else ImagerPixelSpacing at the detector divided by the magnification.
    """
    if header.get("PixelSpacing"):
        down, along = (float(value) for value in header.PixelSpacing)
    elif header.get("ImagerPixelSpacing"):
        magnification = float(header.get("EstimatedRadiographicMagnificationFactor") or 1)
        down, along = (float(value) / magnification for value in header.ImagerPixelSpacing)
    else:
        return None
    return (down, along) if 0 < down < math.inf and 0 < along < math.inf else None


def display_of(header: Dataset, *, module: PixelModule, options: DataOptions) -> Display:
    """How a grey picture is to be shown, by modality.

    CT takes the configured window and MR the robust range. Everything else takes its first VOI LUT, else its first
    window, else what `AsStored` makes of it.
    """
    kind = _text(header, "Modality")
    modality = None if kind in _NO_MODALITY_TRANSFORM else _modality(header)
    voi: LookupTable | Window | AsStored | None
    if kind == "CT":
        voi = Window(*options.ct_window)
    elif kind == "MR":
        voi = None
    else:
        plain = not module.signed and not isinstance(modality, LookupTable)
        voi = _voi(header) or (AsStored(module.bits_stored) if plain else None)
    inverted = module.photometric == "MONOCHROME1" or _text(header, "PresentationLUTShape") == "INVERSE"
    return Display(modality=modality, voi=voi, inverted=inverted, padding=_padding(header, module=module))


def _modality(header: Dataset) -> Rescale | LookupTable | None:
    if header.get("ModalityLUTSequence"):
        return _lookup_table(header.ModalityLUTSequence[0], header=header)
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    return None if slope is None or intercept is None else Rescale(float(slope), float(intercept))


def _voi(header: Dataset) -> Window | LookupTable | None:
    if header.get("VOILUTSequence"):
        return _lookup_table(header.VOILUTSequence[0], header=header)
    centers, widths = (np.atleast_1d(header.get(name) or []) for name in ("WindowCenter", "WindowWidth"))
    if not len(centers) or not len(widths):
        return None
    window = Window(float(centers[0]), float(widths[0]), _text(header, "VOILUTFunction") or "LINEAR")
    if window.function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise Refused(Verdict.invalid_header)
    # A width that the standard forbids says nothing, like no window at all.
    return window if window.width >= (1 if window.function == "LINEAR" else 1e-9) else None


def _lookup_table(item: Dataset, *, header: Dataset) -> LookupTable:
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    count = (entries & 0xFFFF) or 1 << 16  # 0 means 65,536; a signed reading of 40,000 is undone
    data = item.LUTData
    if isinstance(data, bytes):
        little_endian = header.original_encoding[1]
        order = "<" if little_endian else ">"
        table = np.frombuffer(data, np.uint8 if len(data) < 2 * count else order + "u2")
    else:
        table = np.asarray(data, np.int64)
    if not len(table) or not 8 <= bits <= 16:
        raise Refused(Verdict.invalid_header)
    return LookupTable(first, table[:count], bits)


def _padding(header: Dataset, *, module: PixelModule) -> tuple[int, int] | None:
    value = header.get("PixelPaddingValue")
    if value is None:
        return None
    limit = header.get("PixelPaddingRangeLimit")
    ends = [_as_stored(int(end), module=module) for end in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def _as_stored(value: int, *, module: PixelModule) -> int:
    """Many writers give the padding of signed pixels as unsigned: 63536 for -2000."""
    over = 1 << module.bits_allocated
    return value - over if module.signed and value >= over // 2 else value


def _text(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "").strip(" \0")
