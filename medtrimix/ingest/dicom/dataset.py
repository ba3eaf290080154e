"""The elements of a DICOM file that are read at all, and the transfer syntax of its pixels."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, dcmread, read_dataset
from pydicom.tag import BaseTag, Tag

from medtrimix.ingest.dicom.syntax import DEFLATED, SYNTAXES
from medtrimix.ingest.sniff import HEAD_BYTES
from medtrimix.ingest.verdict import Refused, Verdict

ALLOWED_TAGS = [Tag(keyword) for keyword in (
    "SpecificCharacterSet",
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "PatientID", "IssuerOfPatientID",
    # What it is
    "Modality", "ImageType", "ConversionType", "PresentationIntentType", "BurnedInAnnotation", "LossyImageCompression",
    "BodyPartExamined", "AnatomicRegionSequence", "Manufacturer", "ManufacturerModelName",
    # Pixels
    "NumberOfFrames", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    # Geometry
    "PixelSpacing", "ImagerPixelSpacing", "EstimatedRadiographicMagnificationFactor",
    "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SpacingBetweenSlices",
    # What tells slices at one position apart
    "AcquisitionNumber", "EchoTime", "TemporalPositionIdentifier", "FrameReferenceTime", "DiffusionBValue",
    "DiffusionGradientOrientation", "TriggerTime", "InversionTime", "FlipAngle",
)]  # fmt: skip
"""The elements that are parsed at all; names, dates, institutions and free text are skipped over unread."""

_PIXEL_DATA = 0x7FE00010
_FLOAT_PIXEL_DATA = (0x7FE00008, 0x7FE00009)
_PIXELS = (_PIXEL_DATA, *_FLOAT_PIXEL_DATA)
_META_GROUP = 0x0002
_TRANSFER_SYNTAX = 0x00020010
_PREFACE_BYTES = 132  # preamble and "DICM"
_UNDEFINED_LENGTH = 0xFFFFFFFF
_NATIVE_UIDS = {  # by (implicit, little-endian), for files that don't name their transfer syntax
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}


def read_header(file: BinaryIO, *, headless: bool) -> tuple[Dataset, str]:
    """The allowed elements and the transfer syntax; afterwards `file` stands at the pixel data element.

    Args:
        file: at its beginning.
        headless: there is no preamble and no "DICM".

    Raises:
        Refused: with the reason.
    """
    head = file.read(HEAD_BYTES)
    # Inflating happens inside dcmread, so it has to be refused before. A file that hides the UID behind a longer
    # preface than this runs into the memory limit of the process.
    if DEFLATED.encode() in head:
        raise Refused(Verdict.unsupported_syntax)
    usual = None if headless else _usual(head)
    if usual is not None:
        header, uid, position = usual
        file.seek(position)
        return header, uid
    return _unusual(file, headless=headless)


def _usual(head: bytes) -> tuple[Dataset, str, int] | None:
    """Elements, transfer syntax and position of the pixel data, in half the time of dcmread; None if it takes more.

    It takes more if the file is no DICOM by the book, if it is not to be read, or if its header goes on behind `head`.
    """
    source = BytesIO(head)
    try:
        source.seek(_PREFACE_BYTES)
        meta = data_element_generator(source, False, True, stop_when=_is_data)
        (value,) = [bytes(element.value or b"") for element in meta if element.tag == _TRANSFER_SYNTAX]
        uid = value.rstrip(b" \0").decode("ascii")
        syntax = SYNTAXES[uid]
        little_endian = syntax.name != "explicit_be"
        header = read_dataset(
            source, syntax.name == "implicit_le", little_endian, stop_when=_is_pixels, specific_tags=[*ALLOWED_TAGS]
        )
        at_pixels = head[128:132] == b"DICM" and _next_tag(source, little_endian=little_endian) == _PIXEL_DATA
    except MemoryError:
        raise
    except Exception:
        return None
    return (header, uid, source.tell()) if at_pixels else None


def _is_data(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag.group != _META_GROUP


def _is_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in _PIXELS


def _is_behind_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) != _PIXEL_DATA  # what follows may be gigabytes of zeros


def _unusual(file: BinaryIO, *, headless: bool) -> tuple[Dataset, str]:
    size = file.seek(0, 2)
    file.seek(0)
    try:
        header = dcmread(file, stop_before_pixels=True, force=headless, specific_tags=[*ALLOWED_TAGS])
        implicit, little_endian = header.original_encoding
        uid = str(header.file_meta.get("TransferSyntaxUID") or _NATIVE_UIDS[bool(implicit), bool(little_endian)])
    except MemoryError:
        raise
    except Exception:
        raise Refused(Verdict.invalid_header) from None
    if uid not in SYNTAXES:
        raise Refused(Verdict.unsupported_syntax)
    tag = _next_tag(file, little_endian=bool(little_endian))
    if tag in _FLOAT_PIXEL_DATA:
        raise Refused(Verdict.unsupported_pixels)
    if tag != _PIXEL_DATA:
        # Past the end, or less than the beginning promised: an image's attributes, or file meta information.
        cut = file.tell() > size or "Rows" in header or not (headless or "TransferSyntaxUID" in header.file_meta)
        raise Refused(Verdict.truncated if cut else Verdict.no_pixels)
    return header, uid


def read_pixels(file: BinaryIO, *, header: Dataset) -> None:
    """Adds the pixel data element to `header`; goes on where the header ended, so nothing is parsed twice.

    Raises:
        Refused: truncated.
    """
    implicit, little_endian = header.original_encoding
    try:
        rest = read_dataset(
            file, bool(implicit), bool(little_endian), stop_when=_is_behind_pixels, specific_tags=[_PIXEL_DATA]
        )
        element = rest.get_item(_PIXEL_DATA)
    except MemoryError:
        raise
    except Exception:
        raise Refused(Verdict.truncated) from None
    if element is None or element.value is None:
        raise Refused(Verdict.truncated)
    declared = getattr(element, "length", None)
    if declared is not None and declared != _UNDEFINED_LENGTH and len(element.value) < declared:
        raise Refused(Verdict.truncated)
    header.update(rest)


def _next_tag(file: BinaryIO, *, little_endian: bool) -> int | None:
    position = file.tell()
    head = file.read(4)
    file.seek(position)
    if len(head) < 4:
        return None
    group, element = struct.unpack("<HH" if little_endian else ">HH", head)
    return int(group) << 16 | int(element)
