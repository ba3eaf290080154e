"""The header gate: what a DICOM file is and whether it can be read, before a single pixel is touched."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from pydicom.dataset import Dataset

from medtrimix.ingest.dicom.values import items, numbers, text, whole_number
from medtrimix.ingest.grey import AsStored, Display, LookupTable, Rescale, Window, apply_modality
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.verdict import Refused, Verdict

NOT_PICTURES = ("RTDOSE", "SEG")
"""Modalities whose pixel data are doses or masks."""

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
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

    @property
    def frame_bytes(self) -> int:
        """Size of a frame that is not compressed; two pixels of YBR_FULL_422 share their colour."""
        bits = self.rows * self.columns * self.samples * self.bits_allocated
        return (bits * 2 // 3 if self.photometric == "YBR_FULL_422" else bits) // 8


def number_of_frames(header: Dataset) -> int:
    """Frames of a file, 1 where it does not say.

    Raises:
        Refused: invalid_header.
        ValueError: the value is no number.
    """
    frames = whole_number(header, "NumberOfFrames", default=1)
    if frames < 1:
        raise Refused(Verdict.invalid_header)
    return frames


def has_functional_groups(header: Dataset) -> bool:
    """Whether this is an enhanced object, whose attributes lie in functional groups (PS3.3 C.7.6.16)."""
    return "SharedFunctionalGroupsSequence" in header or "PerFrameFunctionalGroupsSequence" in header


def pixel_module(header: Dataset, *, max_megapixels: float) -> PixelModule:
    """The checked pixel attributes.

    Raises:
        Refused: invalid_header, unsupported_pixels or too_large.
    """
    allocated = whole_number(header, "BitsAllocated")
    stored = whole_number(header, "BitsStored", default=0) or allocated
    module = PixelModule(
        rows=whole_number(header, "Rows"),
        columns=whole_number(header, "Columns"),
        samples=whole_number(header, "SamplesPerPixel", default=1),
        photometric=text(header, "PhotometricInterpretation").upper(),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=whole_number(header, "HighBit", default=stored - 1),
        signed=whole_number(header, "PixelRepresentation", default=0) == 1,
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


def spacing_mm(header: Dataset) -> tuple[tuple[float, float] | None, str]:
    """Millimetres between rows and between columns, and where they were measured; None and "" if unknown.

    PixelSpacing holds in the "patient"; else ImagerPixelSpacing at the "detector", divided by the magnification if the
    file says it.
    """
    if spacing := numbers(header, "PixelSpacing"):
        origin, magnification = "patient", 1.0
    elif spacing := numbers(header, "ImagerPixelSpacing"):
        origin = "detector"
        magnification = sum(numbers(header, "EstimatedRadiographicMagnificationFactor")) or 1
    else:
        return None, ""
    down, along = (value / magnification for value in spacing)
    return ((down, along), origin) if 0 < down < math.inf and 0 < along < math.inf else (None, "")


def display_of(header: Dataset, *, module: PixelModule, options: DataOptions) -> Display:
    """How a grey picture is to be shown, by modality.

    CT in Hounsfield units takes the configured window, and MR the robust range. Everything else, secondary captures of
    CT included, takes its first VOI LUT, else its first window, else what `AsStored` makes of it.
    """
    kind = text(header, "Modality")
    modality = modality_transform(header)
    voi: LookupTable | Window | AsStored | None
    if kind == "CT" and modality is not None:  # CT images have a rescale (Type 1 in PS3.3 C.8.2.1), captures none
        voi = Window(*options.ct_window)
    elif kind == "MR":
        voi = None
    else:
        plain = not module.signed and not isinstance(modality, LookupTable)
        voi = _voi(header, module=module, modality=modality) or (AsStored(module.bits_stored) if plain else None)
    return Display(
        modality=modality,
        voi=voi,
        inverted=is_inverted(header, module=module),
        padding=padding_of(header, module=module),
    )


def is_inverted(header: Dataset, *, module: PixelModule) -> bool:
    """Whether low values are white, which two attributes may say, together no more than one of them."""
    return module.photometric == "MONOCHROME1" or text(header, "PresentationLUTShape") == "INVERSE"


def modality_transform(header: Dataset) -> Rescale | LookupTable | None:
    """From stored values to meaningful ones: Hounsfield units for CT; None for none.

    Raises:
        Refused: invalid_header.
    """
    if text(header, "Modality") in _NO_MODALITY_TRANSFORM:
        return None
    if tables := items(header, "ModalityLUTSequence"):
        return _lookup_table(tables[0], header=header)
    slope, intercept = numbers(header, "RescaleSlope"), numbers(header, "RescaleIntercept")
    if not slope or not intercept:
        return None
    rescale = Rescale(slope[0], intercept[0])
    if not (math.isfinite(rescale.slope) and math.isfinite(rescale.intercept)):
        raise Refused(Verdict.invalid_header)
    return rescale


def _highest_value(module: PixelModule, *, modality: Rescale | LookupTable | None) -> float:
    """The largest value that a VOI LUT can be asked for."""
    if isinstance(modality, LookupTable):
        return float(modality.entries.max())
    lowest = -(1 << module.bits_stored - 1) if module.signed else 0
    ends = np.array([lowest, lowest + (1 << module.bits_stored) - 1])
    return float(apply_modality(ends, modality=modality).max())


def _voi(
    header: Dataset, *, module: PixelModule, modality: Rescale | LookupTable | None
) -> Window | LookupTable | None:
    if tables := items(header, "VOILUTSequence"):
        table = _lookup_table(tables[0], header=header)
        # Of unsigned pixels the first value is read as unsigned, which it need not be behind a rescale.
        is_negative = table.first > max(0x7FFF, _highest_value(module, modality=modality))
        return replace(table, first=table.first - (1 << 16)) if is_negative else table
    centers, widths = numbers(header, "WindowCenter"), numbers(header, "WindowWidth")
    if not centers or not widths:
        return None
    window = Window(centers[0], widths[0], text(header, "VOILUTFunction") or "LINEAR")
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


def padding_of(header: Dataset, *, module: PixelModule) -> tuple[int, int] | None:
    """Lowest and highest stored value that mean "no picture here"; None if the file names none."""
    value = numbers(header, "PixelPaddingValue")
    if not value:
        return None
    ends = [_as_stored(int(end), module=module) for end in value + numbers(header, "PixelPaddingRangeLimit")]
    return min(ends), max(ends)


def _as_stored(value: int, *, module: PixelModule) -> int:
    """Many writers give the padding of signed pixels as unsigned, 63536 for -2000, and some the other way round."""
    over = 1 << module.bits_allocated
    if module.signed:
        return value - over if value >= over // 2 else value
    return value + over if value < 0 else value
