"""What a file is by its first bytes; the ending of its name decides nothing but the reason for a refusal."""

from __future__ import annotations

import struct
from enum import StrEnum

HEAD_BYTES = 65536
"""How much of a file `sniff` looks at."""

_NIFTI_HEADER_SIZES = (348, 540)  # first four bytes of NIfTI-1 and NIfTI-2
_FIRST_GROUPS = (0x0002, 0x0008)  # a data set without preamble begins with its file meta or identifying group


class Kind(StrEnum):
    """The readers that a file may need."""

    dicom = "dicom"
    headless_dicom = "headless_dicom"  # no preamble and no "DICM" before the data set
    png = "png"
    jpeg = "jpeg"
    tiff = "tiff"
    nifti = "nifti"
    other = "other"


def sniff(head: bytes, *, name: str) -> Kind:
    """Kind of a file from its first `HEAD_BYTES`; `name` only tells a zipped NIfTI from other zipped files."""
    # DICOM before TIFF: the preamble may hold the header of a TIFF, so that one file is both.
    if head[128:132] == b"DICM":
        return Kind.dicom
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] in _NIFTI_SIZES or (head.startswith(b"\x1f\x8b") and name.lower().endswith(".nii.gz")):
        return Kind.nifti
    return Kind.headless_dicom if _begins_like_a_data_set(head) else Kind.other


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", Kind.png),
    (b"\xff\xd8\xff", Kind.jpeg),
    (b"II*\0", Kind.tiff),
    (b"MM\0*", Kind.tiff),
    (b"II+\0", Kind.tiff),  # BigTIFF
    (b"MM\0+", Kind.tiff),
)
_NIFTI_SIZES = {struct.pack(order + "i", size) for order in "<>" for size in _NIFTI_HEADER_SIZES}


def _begins_like_a_data_set(head: bytes) -> bool:
    """Whether the first element is plausible: low group, low element, and a real VR or a short length."""
    if len(head) < 8:
        return False
    for order in "<>":
        group, element, length = struct.unpack(order + "HHL", head[:8])
        if group in _FIRST_GROUPS and element <= 0x0070:
            explicit = head[4:6].isalpha() and head[4:6].isupper()
            return explicit or length <= 64
    return False
