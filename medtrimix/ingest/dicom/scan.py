"""What the header of a DICOM file says about its place in a volume: numbers and keyed digests, small and harmless."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataset import Dataset

from medtrimix.ingest.dicom.dataset import read_header
from medtrimix.ingest.dicom.geometry import SliceGeometry, slice_geometry
from medtrimix.ingest.dicom.header import (
    NOT_PICTURES,
    PixelModule,
    has_functional_groups,
    number_of_frames,
    pixel_module,
)
from medtrimix.ingest.dicom.provenance import image_type, is_localizer, modality_of
from medtrimix.ingest.dicom.values import numbers, text
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.verdict import Refused, Verdict

SPLIT_KEYS = (
    "AcquisitionNumber",
    "EchoTime",
    "TemporalPositionIdentifier",
    "FrameReferenceTime",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "InversionTime",
    "FlipAngle",
    "TriggerTime",
    "ImageType",
)
"""What may tell apart slices at one position, in the order in which it is asked."""

_CROSS_SECTIONS = ("CT", "MR", "PT", "NM")
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """What the parent process knows about a file.

    Attributes:
        stack: keyed digest of what all slices of a volume share: patient, study, series, frame of reference, modality.
        instance: keyed digest of the SOP instance, empty if the file has none.
        rows: height in pixels.
        columns: width in pixels.
        frames: number of frames.
        geometry: plane of the slice; None for a file of several frames, which is a volume, or several, by itself.
        splits: a number for each of `SPLIT_KEYS`, -1 for those that are absent.
    """

    stack: bytes
    instance: bytes
    rows: int
    columns: int
    frames: int = 1
    geometry: SliceGeometry | None = None
    splits: tuple[float, ...] = ()


def scan_dicom(file: BinaryIO, *, headless: bool, options: DataOptions, pseudonyms: Pseudonyms) -> SliceFacts:
    """The facts about one file; its pixels stay unread.

    Args:
        file: at its beginning.
        headless: there is no preamble and no "DICM".
        options: caps.
        pseudonyms: keys the digests.

    Raises:
        Refused: with the reason, for a file that can't be part of a volume.
    """
    header, _ = read_header(file, headless=headless)

    def digest(value: str) -> bytes:
        return bytes.fromhex(pseudonyms.keyed_digest(value))[:_DIGEST_BYTES]

    try:
        module = checked_slice(header, options=options)
        frames = number_of_frames(header)
        if module.rows * module.columns * frames > options.max_megavoxels * 1e6:
            raise Refused(Verdict.too_large)
        whole = has_functional_groups(header)
        instance = text(header, "SOPInstanceUID")
        return SliceFacts(
            stack=digest(f"stack {_shared_by_a_stack(header)}"),
            instance=digest(f"instance {instance}") if instance else b"",
            rows=module.rows,
            columns=module.columns,
            frames=frames,
            geometry=None if whole else _geometry(header, frames=frames),
            splits=() if whole else split_values(header, digest=digest),
        )
    except (Refused, MemoryError):
        raise
    except Exception:  # whatever an absurd value provokes in the accessors
        raise Refused(Verdict.invalid_header) from None


def checked_slice(header: Dataset, *, options: DataOptions) -> PixelModule:
    """The pixel attributes of what can be a part of a volume.

    Raises:
        Refused: it is none.
    """
    if text(header, "Modality") in NOT_PICTURES:
        raise Refused(Verdict.not_an_image)
    module = pixel_module(header, max_megapixels=options.max_megapixels)
    if is_localizer(header):
        raise Refused(Verdict.localizer)
    if not module.grey:
        raise Refused(Verdict.no_volume)
    return module


def split_values(header: Dataset, *, digest: Callable[[str], bytes]) -> tuple[float, ...]:
    """`SliceFacts.splits` of the only frame that `header` describes; `digest` stands for what is no number."""
    values = []
    for keyword in SPLIT_KEYS:
        value = image_type(header) if keyword == "ImageType" else numbers(header, keyword)
        if len(value) == 1 and isinstance(value[0], float):
            values.append(value[0] if math.isfinite(value[0]) else -1.0)
        else:
            # Equal or not is all that matters: 48 bits of a digest, which a float holds exactly.
            values.append(float(int.from_bytes(digest("\\".join(map(str, value)))[:6])) if value else -1.0)
    return tuple(values)


def _geometry(header: Dataset, *, frames: int) -> SliceGeometry:
    if frames > 1:  # a cine loop: nothing says where its frames lie
        raise Refused(Verdict.no_position)
    geometry = slice_geometry(header)
    if geometry is None:
        raise Refused(Verdict.no_position if modality_of(header) in _CROSS_SECTIONS else Verdict.no_volume)
    return geometry


def _shared_by_a_stack(header: Dataset) -> str:
    """What slices of one volume have in common, as one text.

    Raises:
        Refused: invalid_header, without a series: slices of many patients would look like those of one volume.
    """
    keywords = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    if not text(header, "SeriesInstanceUID"):
        raise Refused(Verdict.invalid_header)
    return "\n".join((*(text(header, keyword) for keyword in keywords), modality_of(header)))
