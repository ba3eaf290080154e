"""One DICOM file to a display-ready picture."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import get_frame
from pydicom.filereader import dcmread, read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut

from medtrimix.ingest import grey
from medtrimix.ingest.codestream import stream_shape
from medtrimix.ingest.header import (
    ALLOWED_TAGS,
    PixelModule,
    check_is_a_picture,
    display_of,
    identity_of,
    pixel_module,
    spacing_mm,
)
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.sniff import HEAD_BYTES
from medtrimix.ingest.syntax import DEFLATED, SYNTAXES, Syntax
from medtrimix.ingest.verdict import Refused, Verdict

_PIXEL_DATA = 0x7FE00010
_FLOAT_PIXEL_DATA = (0x7FE00008, 0x7FE00009)
_NATIVE_UIDS = {  # by (implicit, little-endian), for files that don't name their transfer syntax
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}


def read_dicom(file: BinaryIO, *, headless: bool, options: DataOptions) -> Picture:
    """The first and only frame of a file.

    Args:
        file: at its beginning.
        headless: there is no preamble and no "DICM".
        options: caps and windows.

    Raises:
        Refused: with the reason.
    """
    header, uid = _read_header(file, headless=headless)
    syntax = SYNTAXES[uid]
    try:
        check_is_a_picture(header)
        module = pixel_module(header, max_megapixels=options.max_megapixels)
        display = display_of(header, module=module, options=options)
        spacing, identity, modality = spacing_mm(header), identity_of(header), str(header.get("Modality") or "")
    except (Refused, MemoryError):
        raise
    except Exception:  # whatever an absurd value provokes in the accessors
        raise Refused(Verdict.invalid_header) from None
    _read_pixels(file, header=header)
    if syntax.compressed:
        _check_stream_size(header.PixelData, module=module, syntax=syntax)
    try:
        array = _decoded(header, uid=uid, syntax=syntax, module=module, display=display)
    except MemoryError:
        raise
    except Exception:
        raise Refused(Verdict.decoder_error) from None
    return Picture(array, syntax.name, modality, spacing, identity)


def _read_header(file: BinaryIO, *, headless: bool) -> tuple[FileDataset, str]:
    """The allowed elements and the transfer syntax; afterwards `file` stands at the pixel data element."""
    # Inflating happens inside dcmread, so it has to be refused before. A file that hides the UID behind a longer
    # preface than this runs into the memory limit of the process.
    if DEFLATED.encode() in file.read(HEAD_BYTES):
        raise Refused(Verdict.unsupported_syntax)
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


def _next_tag(file: BinaryIO, *, little_endian: bool) -> int | None:
    position = file.tell()
    head = file.read(4)
    file.seek(position)
    if len(head) < 4:
        return None
    group, element = struct.unpack("<HH" if little_endian else ">HH", head)
    return int(group) << 16 | int(element)


def _read_pixels(file: BinaryIO, *, header: FileDataset) -> None:
    """Adds the pixel data element to `header`; goes on where the header ended, so nothing is parsed twice."""
    implicit, little_endian = header.original_encoding
    try:
        rest = read_dataset(file, bool(implicit), bool(little_endian), specific_tags=[_PIXEL_DATA])
        element = rest.get_item(_PIXEL_DATA)
    except MemoryError:
        raise
    except Exception:
        raise Refused(Verdict.truncated) from None
    if element is None or element.value is None:
        raise Refused(Verdict.truncated)
    declared = getattr(element, "length", None)
    if declared is not None and declared != 0xFFFFFFFF and len(element.value) < declared:
        raise Refused(Verdict.truncated)
    header.update(rest)


def _check_stream_size(pixel_data: bytes, *, module: PixelModule, syntax: Syntax) -> None:
    """The decoder allocates what the stream says, so it must say what the header said."""
    if syntax.name == "rle":
        return  # no size of its own: the decoder takes the header's
    try:
        shape = stream_shape(get_frame(pixel_data, 0, number_of_frames=1))
    except MemoryError:
        raise
    except Exception:
        raise Refused(Verdict.decoder_error) from None
    if shape is None:
        raise Refused(Verdict.decoder_error)
    if shape != (module.rows, module.columns, module.samples):
        raise Refused(Verdict.size_mismatch)


def _decoded(
    header: Dataset, *, uid: str, syntax: Syntax, module: PixelModule, display: grey.Display
) -> npt.NDArray[np.uint8]:
    options = {} if syntax.corrects_sign else {"correct_unused_bits": False}
    array, properties = get_decoder(uid).as_array(header, index=0, decoding_plugin=syntax.plugin, **options)  # type: ignore[arg-type]
    if not syntax.corrects_sign and module.bits_allocated > 1:
        array = grey.stored_values(array, bits_stored=module.bits_stored, high_bit=module.high_bit)
    if module.grey:
        return grey.render(array, display=display)
    if module.photometric == "PALETTE COLOR":
        colours = apply_color_lut(array, header)[..., :3]
        # Some 16-bit palettes hold 8-bit values all the same.
        return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    full = 2 ** int(properties["bits_stored"]) - 1
    return array if full == 255 and array.dtype == np.uint8 else np.rint(array * (255 / full)).astype(np.uint8)
