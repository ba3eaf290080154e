"""Gzip that gives no more than is asked for, so that a small file can't fill the memory."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from medtrimix.ingest.verdict import Refused, Verdict

_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 18
_GZIP = 16 + zlib.MAX_WBITS  # how zlib is told of a gzip header in front and a checksum behind


class Inflated:
    """The content of a gzip file, of one member or of many, as bgzip and pigz write them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._member = zlib.decompressobj(_GZIP)
        self._waiting = b""  # compressed bytes that have been read and not used

    def read(self, count: int) -> bytes:
        """The next `count` bytes, or fewer at the end of the last member; what may lie behind that is left alone.

        Raises:
            Refused: `truncated`, or `decoder_error` where the stream or its checksum is wrong.
        """
        pieces = []
        while count > 0:
            if self._member.eof and not self._next_member():
                break
            compressed = self._waiting or self._file.read(_CHUNK)
            try:
                piece = self._member.decompress(compressed, count)
            except zlib.error:
                raise Refused(Verdict.decoder_error) from None
            if not (compressed or piece or self._member.eof):
                raise Refused(Verdict.truncated)
            self._waiting = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _next_member(self) -> bool:
        if len(self._waiting) < len(_MAGIC):
            self._waiting += self._file.read(_CHUNK)
        self._member = zlib.decompressobj(_GZIP) if self._waiting.startswith(_MAGIC) else self._member
        return not self._member.eof
