"""DICOM files that promise too much: in their header, in their sequences, or in their code stream."""

from __future__ import annotations

import itertools
import struct
import zlib

import made
import numpy as np
from pydicom.uid import UID, CTImageStorage

MEGABYTE = 1 << 20
DEFLATED = UID("1.2.840.10008.1.2.1.99")
_EXPLICIT = b"1.2.840.10008.1.2.1\0"
_ITEM = b"\xfe\xff\x00\xe0"
_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_UNDEFINED = b"\xff\xff\xff\xff"


_number = itertools.count()


def picture(**elements: object) -> bytes:
    """A good CT slice of 64 x 64 zeros, but for the elements that are given; each is a volume of its own."""
    good: dict[str, object] = {
        "SOPClassUID": CTImageStorage,
        "Modality": "CT",
        "PixelSpacing": [1, 1],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, 0],
    }
    return made.dicom(np.zeros((64, 64), np.uint8), name=f"bomb {next(_number)}", **(good | elements))  # type: ignore[arg-type]


def encapsulated(*fragments: bytes, syntax: UID, table: bytes = b"", ended: bool = True, **elements: object) -> bytes:
    """A picture whose pixels are these fragments, behind a table of offsets."""
    head = _with_syntax(picture(**elements), syntax)
    pixels = b"\xe0\x7f\x10\x00OB\0\0" + _UNDEFINED + item(table) + b"".join(item(data) for data in fragments)
    return head[: _pixels(head)] + pixels + (_END if ended else b"")


def item(data: bytes) -> bytes:
    """An item of a sequence, of defined length."""
    return _ITEM + struct.pack("<L", len(data)) + data


def before_pixels(element: bytes) -> bytes:
    """A good picture with something between its header and its pixels."""
    head = picture()
    return head[: _pixels(head)] + element + head[_pixels(head) :]


def element(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """Of a VR with a length of four bytes, which may lie."""
    head = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, 0)
    return head + struct.pack("<L", len(value) if length is None else length) + value


def nested(depth: int) -> bytes:
    """Sequences in sequences, beginning with one that a reader wants: the modality LUT."""
    return before_pixels((b"\x28\x00\x00\x30SQ\0\0" + _UNDEFINED + _ITEM + _UNDEFINED) * depth)


def many_items(count: int) -> bytes:
    """A modality LUT sequence of so many empty items, 8 bytes each."""
    return before_pixels(b"\x28\x00\x00\x30SQ\0\0" + _UNDEFINED + item(b"") * count + _END)


def segmented_palette() -> bytes:
    """Palettes whose segments refer to themselves (opcode 2, PS3.3 C.7.9.2)."""
    colours = {}
    for colour in ("Red", "Green", "Blue"):
        colours[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        colours[f"Segmented{colour}PaletteColorLookupTableData"] = struct.pack("<8H", 2, 60000, 0, 0, 2, 60000, 0, 0)
    return picture(PhotometricInterpretation="PALETTE COLOR", **colours)


def deflated(size: int) -> bytes:
    """Explicit VR little endian, deflated as a whole, with a private element of `size` zeros before the picture."""
    plain = _with_syntax(picture(), DEFLATED)
    body = 144 + int(struct.unpack_from("<L", plain, 140)[0])
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(element(0x0009_1010, b"OB", b"", length=size)) + packer.flush(zlib.Z_FULL_FLUSH)
    # Behind a full flush the same bytes pack the same way, so a gigabyte is a repeated kilobyte.
    zeros = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(plain[body:]) + packer.flush()
    return plain[:body] + start + zeros * (size // MEGABYTE) + end


def jpeg2000(*, side: int, tile: int, components: int = 1) -> bytes:
    """A square code stream with nothing in its first tile."""
    siz = struct.pack(">H8LH", 0, side, side, 0, 0, tile, tile, 0, 0, components) + b"\x07\x01\x01" * components
    coding = b"\xff\x52\x00\x0c\x00\x00\x00\x01\x00\x05\x04\x04\x00\x01"
    steps = b"\xff\x5c\x00\x13\x40" + bytes(range(0x40, 0x50))
    part = b"\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x01\xff\x93" + bytes(64)
    return b"\xff\x4f\xff\x51" + struct.pack(">H", len(siz) + 2) + siz + coding + steps + part + b"\xff\xd9"


def jpeg_ls(*, side: int) -> bytes:
    """A square stream with nothing in it."""
    frame = b"\xff\xf7\x00\x0b\x08" + struct.pack(">HH", side, side) + b"\x01\x01\x11\x00"
    return b"\xff\xd8" + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" + bytes(64) + b"\xff\xd9"


def rle(*offsets: int, data: bytes) -> bytes:
    """A frame with these offsets of segments, which may lie."""
    return struct.pack("<16L", len(offsets), *offsets, *[0] * (15 - len(offsets))) + data


def _pixels(head: bytes) -> int:
    return head.index(b"\xe0\x7f\x10\x00OB")


def _with_syntax(head: bytes, syntax: UID) -> bytes:
    """Another transfer syntax, in file meta information whose length fits."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    start = head.index(_EXPLICIT, 132)
    (whole,) = struct.unpack_from("<L", head, 140)
    length = struct.pack("<L", whole + len(uid) - len(_EXPLICIT))
    between = head[144 : start - 2] + struct.pack("<H", len(uid))
    return head[:140] + length + between + uid + head[start + len(_EXPLICIT) :]
