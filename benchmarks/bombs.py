"""Files made to kill their reader: small on disk, endless in memory or time, or no files at all.

Deflate packs zeros 1,000 to 1, and blocks that repeat are written by repeating their packed bytes, so bombs are made
within milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bombs_dicom import (
    before_pixels,
    deflated,
    element,
    encapsulated,
    jpeg2000,
    jpeg_ls,
    many_items,
    nested,
    picture,
    rle,
    segmented_palette,
)
from bombs_formats import jpeg, jpeg_scans, nifti, png, png_chunk, tiff, tiff_pages, zeros, zipped
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

GIGABYTE = 1 << 30
MEGABYTE = 1 << 20

_j2k = partial(encapsulated, syntax=JPEG2000Lossless)
_rle = partial(encapsulated, syntax=RLELossless)

BOMBS: dict[str, Callable[[], bytes]] = {
    # Unpacked as a whole
    "deflated 2 GiB.dcm": lambda: deflated(2 * GIGABYTE),
    "gzip 8 GiB behind a volume.nii.gz": lambda: zipped(nifti(), size=8 * GIGABYTE),
    "gzip 8 GiB of zeros.nii.gz": lambda: zipped(b"", size=8 * GIGABYTE),
    "gzip 8 GiB as promised.nii.gz": lambda: zipped(nifti(dims=(2048, 2048, 1024)), size=8 * GIGABYTE),
    "gzip empty.nii.gz": lambda: zipped(b"", size=0),
    "text chunk of 1 GiB.png": lambda: png(side=64, extra=png_chunk(b"zTXt", b"x\0\0" + zeros(GIGABYTE))),
    "colour profile of 1 GiB.png": lambda: png(side=64, extra=png_chunk(b"iCCP", b"x\0\0" + zeros(GIGABYTE))),
    "strip of 1 GiB.tiff": lambda: tiff(side=64, strip=zeros(GIGABYTE)),
    # Sizes
    "65535 x 65535.dcm": lambda: picture(Rows=65535, Columns=65535),
    "65535 x 65535 x 2147483647.dcm": lambda: picture(Rows=65535, Columns=65535, NumberOfFrames=2147483647),
    "2147483647 frames.dcm": lambda: picture(NumberOfFrames=2147483647),
    "7900 x 7900 promised.dcm": lambda: picture(Rows=7900, Columns=7900),
    "JPEG 2000 60000 x 60000 under 64 x 64.dcm": lambda: _j2k(jpeg2000(side=60000, tile=60000)),
    "JPEG 2000 60000 x 60000.dcm": lambda: _j2k(jpeg2000(side=60000, tile=60000), Rows=60000, Columns=60000),
    "JPEG 2000 of 62 million tiles.dcm": lambda: _j2k(jpeg2000(side=7900, tile=1), Rows=7900, Columns=7900),
    "JPEG 2000 of 16384 components.dcm": lambda: _j2k(jpeg2000(side=64, tile=64, components=16384)),
    "JPEG 65500 x 65500 under 64 x 64.dcm": lambda: encapsulated(
        jpeg(rows=65500, columns=65500), syntax=JPEGBaseline8Bit
    ),
    "JPEG-LS 65535 x 65535 under 64 x 64.dcm": lambda: encapsulated(jpeg_ls(side=65535), syntax=JPEGLSLossless),
    "JPEG-LS 7900 x 7900 of nothing.dcm": lambda: encapsulated(
        jpeg_ls(side=7900), syntax=JPEGLSLossless, Rows=7900, Columns=7900
    ),
    "60000 x 60000.png": lambda: png(side=60000),
    "65500 x 65500.jpeg": lambda: jpeg(rows=65500, columns=65500),
    "1 billion x 1 billion.tiff": lambda: tiff(side=1_000_000_000),
    "32767 to the 7th.nii": lambda: nifti(dims=(32767,) * 7),
    "32767 to the 7th.nii.gz": lambda: zipped(nifti(dims=(32767,) * 7), size=0),
    "negative sides.nii": lambda: nifti(dims=(-8, 8, -8)),
    "256 byte complex.nii": lambda: nifti(dims=(600, 600, 600), datatype=2048),
    "offset of 1e38.nii": lambda: nifti(offset=1e38),
    "offset of NaN.nii": lambda: nifti(offset=float("nan")),
    "offset before the file.nii": lambda: nifti(offset=-1e9),
    # Structure
    "900 nested sequences.dcm": lambda: nested(900),
    "200000 nested sequences.dcm": lambda: nested(200_000),
    "3 million empty items.dcm": lambda: many_items(3_000_000),
    "element of 4 GiB.dcm": lambda: before_pixels(element(0x0010_0020, b"UN", b"", length=0xFFFF_FFFE)),
    "private element of 4 GiB.dcm": lambda: before_pixels(element(0x0029_1010, b"OB", b"", length=0xFFFF_FFFE)),
    "undefined length without end.dcm": lambda: before_pixels(
        element(0x0029_1010, b"OB", bytes(16 * MEGABYTE), length=0xFFFF_FFFF)
    ),
    "10 million windows.dcm": lambda: before_pixels(element(0x0028_1050, b"UN", b"1\\" * 10_000_000)),
    "palette that calls itself.dcm": segmented_palette,
    "2 million fragments.dcm": lambda: _j2k(*[b""] * 2_000_000),
    "fragments without end.dcm": lambda: _j2k(bytes(64), ended=False),
    "offsets behind the end.dcm": lambda: _j2k(bytes(64), bytes(64), table=b"\xff" * 64, NumberOfFrames=16),
    "RLE without header.dcm": lambda: _rle(b"\x01\0"),
    "RLE of 15 segments nowhere.dcm": lambda: _rle(rle(*[0xFFFF_FFF0] * 15, data=bytes(64))),
    "RLE of 4 billion segments.dcm": lambda: _rle(b"\xff" * 128),
    "RLE that ends in a run.dcm": lambda: _rle(rle(64, data=b"\x81")),
    "RLE over the end.dcm": lambda: _rle(rle(64, data=b"\x81\0" * 4096)),
    "directory that follows itself.tiff": lambda: tiff(side=64, next_directory=8),
    "1 million directories.tiff": lambda: tiff_pages(1_000_000),
    "20000 scans.jpeg": lambda: jpeg_scans(side=7900, scans=20_000),
}
"""What is in the file, by its name. None of them may be accepted, except for `HARMLESS`."""

HARMLESS = {
    "gzip 8 GiB behind a volume.nii.gz",  # what lies behind the volume is never unpacked
    "strip of 1 GiB.tiff",  # nor what lies behind the last row
    "10 million windows.dcm",  # the first one counts
    "RLE over the end.dcm",  # runs over the end of the picture are cut
    "sparse 64 x 64.dcm",  # a picture, with zeros behind it
}
"""A good image is in there, and a reader may find it."""


def special_files(root: Path) -> list[str]:
    """Puts names below `root` that are no regular files."""
    os.mkfifo(root / "fifo.dcm")
    links = {"loop.dcm": "loop.dcm", "zeros.png": "/dev/zero", "up": "..", "dangling.nii": "absent"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    return ["fifo.dcm", *links]


def sparse_files(root: Path) -> list[str]:
    """Puts files of 64 GiB below `root` that take no room, and their names."""
    heads = {
        "sparse 64 x 64.dcm": picture(),
        "sparse 65535 x 65535.dcm": picture(Rows=65535, Columns=65535),
        "sparse undefined length.dcm": before_pixels(element(0x0029_1010, b"OB", b"", length=0xFFFF_FFFF)),
        "sparse.png": b"\x89PNG\r\n\x1a\n",
        "sparse 2048 x 2048 x 1024.nii": nifti(dims=(2048, 2048, 1024)),
    }
    for name, head in heads.items():
        (root / name).write_bytes(head)
        os.truncate(root / name, 64 * GIGABYTE)
    return list(heads)
