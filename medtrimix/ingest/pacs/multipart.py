"""The first part of a `multipart/related` answer (RFC 2046), read as it arrives and never longer than allowed."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from itertools import chain

from medtrimix.ingest.verdict import Refused, Verdict

_MAX_HEAD_BYTES = 1 << 16
_BLANK_LINE = b"\r\n\r\n"


def collect(chunks: Iterable[bytes], *, max_bytes: int) -> BytesIO:
    """All that arrives.

    Raises:
        Refused: too_large.
    """
    body = BytesIO()
    for chunk in chunks:
        if body.tell() + len(chunk) > max_bytes:
            raise Refused(Verdict.too_large)
        body.write(chunk)
    body.seek(0)
    return body


def first_part(chunks: Iterable[bytes], *, boundary: str, max_bytes: int) -> BytesIO:
    """What is in the first part, without the header fields of the part.

    Raises:
        Refused: unreadable if no part begins, truncated if it does not end, too_large.
    """
    delimiter = f"\r\n--{boundary}".encode()
    arriving = iter(chunks)
    head = b"\r\n"  # belongs to the delimiter, which may stand at the very beginning
    while (begin := _end_of_head(head, delimiter=delimiter)) is None:
        chunk = next(arriving, None)
        if chunk is None or len(head) > _MAX_HEAD_BYTES:
            raise Refused(Verdict.unreadable)
        head += chunk
    body = collect(chain([head[begin:]], arriving), max_bytes=max_bytes)
    end = body.getvalue().find(delimiter)  # BytesIO shares its bytes here, it does not copy them
    if end < 0:
        raise Refused(Verdict.truncated)
    body.truncate(end)
    return body


def _end_of_head(data: bytes, *, delimiter: bytes) -> int | None:
    start = data.find(delimiter)
    blank = data.find(_BLANK_LINE, start) if start >= 0 else -1
    return blank + len(_BLANK_LINE) if blank >= 0 else None
