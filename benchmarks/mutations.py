"""Ways to damage a file, all reproducible: the same bytes and the same generator give the same damage.

Blind damage (flips, bursts, cuts, insertions, deletions) tests the parsers. Lies are fields that stay well-formed and
promise what the file doesn't hold; they get past the parsers, to the code that allocates.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable

import numpy as np

Generator = np.random.Generator
HEAD = 2048
"""Half of the blind damage falls on so many first bytes, where headers are."""

GZIP = b"\x1f\x8b"
_UNSIGNED = (0, 1, 2, 3, 7, 8, 15, 16, 32, 33, 64, 255, 256, 4096, 32767, 32768, 65535)
_DICOM_SHORTS = (0x0028_0002, 0x0028_0006, 0x0028_0010, 0x0028_0011, 0x0028_0100, 0x0028_0101, 0x0028_0102, 0x0028_0103)
_DICOM_TEXTS = {
    0x0002_0010: tuple(f"1.2.840.10008.1.2{end}" for end in (
        "", ".1", ".2", ".1.99", ".5", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".4.100",
        ".4.201", ".4.203", ".999",
    )),
    0x0008_0060: ("CT", "MR", "CR", "US", "SEG", "CANARY", "\xe9\\\\"),
    0x0020_0032: ("0\\0\\0", "1\\2", "NaN\\0\\0", "1e400\\0\\0", "-1e308\\1e308\\0", "a\\b\\c", ""),
    0x0020_0037: ("1\\0\\0\\1\\0\\0", "0\\0\\0\\0\\0\\0", "NaN\\0\\0\\0\\1\\0", "1\\0\\0", ""),
    0x0028_0004: ("MONOCHROME1", "RGB", "PALETTE COLOR", "YBR_FULL_422", "YBR_ICT", "CMYK", ""),
    0x0028_0008: ("0", "-1", "1", "2", "1000", "2147483647", "99999999999", "1A", "1e3", "1\\2", ""),
    0x0028_0030: ("0\\0", "-1\\1", "NaN\\1", "1", "1e-300\\1e-300", ""),
    0x0028_1050: ("0", "1e308", "NaN", "1\\2\\3", "x"),
    0x0028_1051: ("0", "-1", "1e-300", "1e308", "x"),
    0x0028_1052: ("1e308", "-1e308", "Infinity", "x"),
    0x0028_1053: ("0", "1e308", "-1", "1e-300", "x"),
}  # fmt: skip
_PIXEL_DATA = 0x7FE0_0010
_LENGTHS = (0, 1, 2, 0x7FFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFF)


def mutated(data: bytes, *, rng: Generator) -> bytes:
    """One to three kinds of damage to a file; inside of it, half of the time, if it is zipped."""
    if data.startswith(GZIP) and rng.random() < 0.5:
        try:
            return gzip.compress(mutated(gzip.decompress(data), rng=rng), compresslevel=1, mtime=0)
        except (OSError, EOFError, zlib.error):
            pass  # a file that came damaged: what is outside of it is left to break
    for number in rng.choice(len(MUTATIONS), size=rng.choice([1, 1, 1, 2, 3])):
        data = MUTATIONS[number](data, rng)
    return data


def flip_bits(data: bytes, rng: Generator) -> bytes:
    """1 to 64 bits, one by one."""
    result = bytearray(data)
    for _ in range(int(2 ** rng.uniform(0, 6))):
        result[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(result)


def burst(data: bytes, rng: Generator) -> bytes:
    """Up to 512 bytes in a row: noise, zeros or ones."""
    start, length = _place(data, rng), int(2 ** rng.uniform(0, 9))
    noise = (rng.bytes(length), bytes(length), b"\xff" * length)[int(rng.integers(3))]
    return data[:start] + noise[: len(data) - start] + data[start + length :]


def truncate(data: bytes, rng: Generator) -> bytes:
    """The end is missing."""
    return data[: _place(data, rng) + 1]


def insert(data: bytes, rng: Generator) -> bytes:
    """Up to 4,096 bytes that were not there, noise or a copy of others."""
    start, length, source = _place(data, rng), int(2 ** rng.uniform(0, 12)), _place(data, rng)
    return data[:start] + (rng.bytes(length) if rng.random() < 0.5 else data[source : source + length]) + data[start:]


def delete(data: bytes, rng: Generator) -> bytes:
    """Up to 4,096 bytes are missing, but never all."""
    start, length = _place(data, rng), int(2 ** rng.uniform(0, 12))
    return data[:start] + data[start + length :] or data[:1]


def lie(data: bytes, rng: Generator) -> bytes:
    """A field of the header that promises something else; blind damage where no header is known."""
    if data[128:132] == b"DICM":
        return _dicom_lie(data, rng)
    if data[:4] in (struct.pack("<i", 348), struct.pack("<i", 540)):
        return _nifti_lie(data, rng)
    if data.startswith(b"\x89PNG"):
        return _png_lie(data, rng)
    if data.startswith(b"\xff\xd8"):
        return _jpeg_lie(data, rng)
    if data.startswith(b"II*\0"):
        return _tiff_lie(data, rng)
    return flip_bits(data, rng)


MUTATIONS: tuple[Callable[[bytes, Generator], bytes], ...] = (flip_bits, burst, truncate, insert, delete, lie, lie, lie)


def _place(data: bytes, rng: Generator) -> int:
    return int(rng.integers(min(len(data), HEAD) if rng.random() < 0.5 else len(data)))


def dicom_element(data: bytes, tag: int) -> tuple[int, int, bool] | None:
    """Start of an element, the number of bytes of its value, and whether its VR is written; little-endian only.

    By its bytes alone: a value in front of it that looks like it is taken for it, which only makes another mutation.
    """
    start = data.find(struct.pack("<HH", tag >> 16, tag & 0xFFFF), 132)
    if start < 0 or start + 12 > len(data):
        return None
    explicit = data[start + 4 : start + 6].isalpha()
    (length,) = struct.unpack_from("<H" if explicit else "<L", data, start + (6 if explicit else 4))
    return start, length, explicit


def _dicom_lie(data: bytes, rng: Generator) -> bytes:
    tags = [tag for tag in (*_DICOM_SHORTS, *_DICOM_TEXTS, _PIXEL_DATA) if dicom_element(data, tag)]
    if not tags:
        return flip_bits(data, rng)
    tag = tags[int(rng.integers(len(tags)))]
    element = dicom_element(data, tag)
    assert element is not None
    start, length, explicit = element
    if tag == _PIXEL_DATA:
        at = start + (8 if explicit else 4)
        return data[:at] + struct.pack("<L", _any(_LENGTHS, rng)) + data[at + 4 :]
    if tag in _DICOM_SHORTS:
        return data[: start + 8] + struct.pack("<H", _any(_UNSIGNED, rng)) + data[start + 10 :]
    texts = _DICOM_TEXTS[tag]
    value = texts[int(rng.integers(len(texts)))].encode("latin-1")
    value += b" " * (len(value) % 2)
    size = struct.pack("<H" if explicit else "<L", len(value))
    return data[: start + 8 - len(size)] + size + value + data[start + 8 + length :]


def _nifti_lie(data: bytes, rng: Generator) -> bytes:
    """Fields of NIfTI-1 (nifti1.h) by format and offset; in NIfTI-2 they hit others, which is as good."""
    fields = [*(("<h", 40 + 2 * axis) for axis in range(8)), ("<h", 70), ("<h", 72), ("<h", 252), ("<h", 254)]
    floats = [*(("<f", 76 + 4 * axis) for axis in range(5)), ("<f", 108), ("<f", 112), ("<f", 116), ("<f", 280)]
    if rng.random() < 0.6:
        form, at = fields[int(rng.integers(len(fields)))]
        value: float = _any(_UNSIGNED, rng) - (1 << 15) * int(rng.random() < 0.5)
        value = max(-(1 << 15), min(value, (1 << 15) - 1))
    else:
        form, at = floats[int(rng.integers(len(floats)))]
        value = (0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-38, 1e9, -352.0, 352.5)[int(rng.integers(9))]
    size = struct.calcsize(form)
    return data[:at] + struct.pack(form, value) + data[at + size :]


def _png_lie(data: bytes, rng: Generator) -> bytes:
    """Size, depth or colour type of IHDR, with a checksum that fits."""
    ihdr = bytearray(data[12:29])
    if rng.random() < 0.6:
        struct.pack_into(">L", ihdr, (4, 8)[int(rng.integers(2))], _any((*_UNSIGNED, 1 << 20, 0x7FFF_FFFF), rng))
    else:
        ihdr[12 + int(rng.integers(5))] = _any((0, 1, 2, 3, 4, 6, 8, 16, 255), rng)
    return data[:12] + bytes(ihdr) + struct.pack(">L", zlib.crc32(ihdr)) + data[33:]


def _jpeg_lie(data: bytes, rng: Generator) -> bytes:
    """Rows or columns of the first baseline frame."""
    start = data.find(b"\xff\xc0")
    if start < 0:
        return flip_bits(data, rng)
    at = start + (5, 7)[int(rng.integers(2))]
    return data[:at] + struct.pack(">H", _any(_UNSIGNED, rng)) + data[at + 2 :]


def _tiff_lie(data: bytes, rng: Generator) -> bytes:
    """Type, count or value of one entry of the first directory, or where the next directory is."""
    (start,) = struct.unpack_from("<L", data, 4)
    if start + 2 > len(data):
        return flip_bits(data, rng)
    (entries,) = struct.unpack_from("<H", data, start)
    at = start + 2 + 12 * int(rng.integers(entries + 1)) + (0 if rng.random() < 0.2 else 4 * int(rng.integers(3)))
    return (
        data[:at]
        + struct.pack("<L", _any((*_UNSIGNED, 1 << 20, 0x7FFF_FFFF, 0xFFFF_FFFF, start), rng))
        + data[at + 4 :]
    )


def _any(values: tuple[int, ...], rng: Generator) -> int:
    return values[int(rng.integers(len(values)))]
