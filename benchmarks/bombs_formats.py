"""PNG, JPEG, TIFF and NIfTI files that promise too much."""

from __future__ import annotations

import gzip
import struct
import zlib

import made
import numpy as np

MEGABYTE = 1 << 20


def png(*, side: int, extra: bytes = b"") -> bytes:
    """A square RGBA picture with a megabyte of pixels, and `extra` chunks before them."""
    header = png_chunk(b"IHDR", struct.pack(">LLBBBBB", side, side, 8, 6, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(MEGABYTE)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + png_chunk(b"IEND", b"")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """With a checksum that fits."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def zeros(size: int) -> bytes:
    """A zlib stream of so many zeros."""
    packer = zlib.compressobj(9)
    start = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    more = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + more * (size // MEGABYTE - 1)  # without an end: the checksum would need the true bytes


def jpeg(*, rows: int, columns: int) -> bytes:
    """A real JPEG of 64 x 64 whose frame says another size."""
    data = made.raster("jpeg", side=64, rng=np.random.default_rng(0))
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", rows, columns) + data[at + 4 :]


def jpeg_scans(*, side: int, scans: int) -> bytes:
    """A progressive JPEG whose every empty scan costs a walk over the whole picture."""
    data = jpeg(rows=side, columns=side).replace(b"\xff\xc0", b"\xff\xc2", 1)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x01" + bytes(2)
    return data[: data.index(b"\xff\xda")] + scan * scans + b"\xff\xd9"


def tiff(*, side: int, next_directory: int = 0, strip: bytes = b"") -> bytes:
    """A square picture in one deflated strip; its only directory lies at 8."""
    strip = strip or zlib.compress(bytes(64))
    entries = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 122), (277, 3, 1),
               (278, 4, side), (279, 4, len(strip))]  # fmt: skip
    directory = b"".join(struct.pack("<HHLL", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<LH", 8, len(entries)) + directory + struct.pack("<L", next_directory) + strip


def tiff_pages(count: int) -> bytes:
    """A chain of so many empty directories, 6 bytes each."""
    chain = b"".join(struct.pack("<HL", 0, 8 + 6 * page) for page in range(1, count + 1))
    return b"II*\0" + struct.pack("<L", 8) + chain


def nifti(*, dims: tuple[int, ...] = (8, 8, 8), offset: float = 352, datatype: int = 4) -> bytes:
    """A NIfTI-1 of 8 x 8 x 8 whose header says something else."""
    data = bytearray(made.nifti(8, 8, 8, rng=np.random.default_rng(0), zipped=False))
    struct.pack_into(f"<{1 + len(dims)}h", data, 40, len(dims), *dims)
    struct.pack_into("<h", data, 70, datatype)
    struct.pack_into("<f", data, 108, offset)
    return bytes(data)


def zipped(head: bytes, *, size: int) -> bytes:
    """`size` zeros behind `head`, as a chain of gzip members."""
    return gzip.compress(head, mtime=0) + gzip.compress(bytes(MEGABYTE), mtime=0) * (size // MEGABYTE)
