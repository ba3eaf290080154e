"""The size that a compressed stream gives itself, read from its first marker without decoding anything.

A header that says 64 x 64 above a stream that says 60,000 x 60,000 makes a decoder allocate what the stream says.
"""

from __future__ import annotations

import struct

_J2K_START = b"\xff\x4f\xff\x51"  # SOC, then SIZ as the standard wants it (ISO/IEC 15444-1, A.5.1)
_JPEG_START = b"\xff\xd8"
# Start of frame of JPEG (C0..CF without DHT, JPG and DAC) and of JPEG-LS (F7)
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_STANDALONE_MARKERS = {0x01, *range(0xD0, 0xD9)}


def stream_shape(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and samples per pixel of a JPEG, JPEG-LS or JPEG 2000 stream; None if it has no such header."""
    start = frame.find(_J2K_START, 0, 4096)  # a JP2 file wraps the stream in boxes, against the standard but seen
    if start >= 0:
        return _j2k_shape(frame[start + 4 :])
    return _jpeg_shape(frame) if frame.startswith(_JPEG_START) else None


def _j2k_shape(segment: bytes) -> tuple[int, int, int] | None:
    if len(segment) < 38:
        return None
    x1, y1, x0, y0 = struct.unpack(">4L", segment[4:20])
    (components,) = struct.unpack(">H", segment[36:38])
    return y1 - y0, x1 - x0, components


def _jpeg_shape(frame: bytes) -> tuple[int, int, int] | None:
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _STANDALONE_MARKERS:
            at += 2
        elif marker in _FRAME_MARKERS:
            rows, columns, components = struct.unpack(">HHB", frame[at + 5 : at + 10])
            return rows, columns, components
        else:
            at += 2 + struct.unpack(">H", frame[at + 2 : at + 4])[0]
    return None
