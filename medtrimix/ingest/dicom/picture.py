"""One DICOM file to display-ready pictures, one for each of its frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from medtrimix.ingest import grey
from medtrimix.ingest.dicom.dataset import read_header, read_pixels
from medtrimix.ingest.dicom.frames import stored_frames
from medtrimix.ingest.dicom.functional_groups import frame_headers
from medtrimix.ingest.dicom.header import (
    NOT_PICTURES,
    PixelModule,
    display_of,
    has_functional_groups,
    number_of_frames,
    pixel_module,
    spacing_mm,
)
from medtrimix.ingest.dicom.provenance import flags_of, identity_of, modality_of
from medtrimix.ingest.dicom.syntax import SYNTAXES
from medtrimix.ingest.dicom.values import text
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.verdict import Refused, Verdict


def read_dicom(file: BinaryIO, *, headless: bool, options: DataOptions) -> tuple[Picture, ...]:
    """The pictures of a file: one, or one for each frame with `frames: samples`.

    Args:
        file: at its beginning.
        headless: there is no preamble and no "DICM".
        options: caps and windows.

    Raises:
        Refused: with the reason.
    """
    header, uid = read_header(file, headless=headless)
    try:
        frames = _checked_frames(header, options=options)
        module = pixel_module(header, max_megapixels=options.max_megapixels)
        if module.rows * module.columns * frames > options.max_megavoxels * 1e6:
            raise Refused(Verdict.too_large)
        looks = _looks(header, module=module, frames=frames, options=options)
        identity, modality = identity_of(header), modality_of(header)
        flags = flags_of(header, syntax=SYNTAXES[uid])
    except (Refused, MemoryError):
        raise
    except Exception:  # whatever an absurd value provokes in the accessors
        raise Refused(Verdict.invalid_header) from None
    read_pixels(file, header=header)
    decoded = stored_frames(header, uid=uid, module=module, frames=frames)
    return tuple(
        Picture(
            array=_shown(stored, bits=bits, header=header, module=module, display=look.display),
            encoding=SYNTAXES[uid].name,
            modality=modality,
            spacing_mm=look.spacing_mm,
            identity=identity,
            flags=flags,
            spacing_origin=look.spacing_origin,
            frame=frame,
        )
        for frame, ((stored, bits), look) in enumerate(zip(decoded, looks, strict=True))
    )


@dataclass(frozen=True)
class _Look:
    """What may differ between the frames of a file."""

    display: grey.Display
    spacing_mm: tuple[float, float] | None
    spacing_origin: str


def _checked_frames(header: Dataset, *, options: DataOptions) -> int:
    """How many frames there are to read."""
    if text(header, "Modality") in NOT_PICTURES:
        raise Refused(Verdict.not_an_image)
    frames = number_of_frames(header)
    if frames > 1 and options.frames == "refuse":
        raise Refused(Verdict.unsupported_multiframe)
    return frames


def _looks(header: Dataset, *, module: PixelModule, frames: int, options: DataOptions) -> list[_Look]:
    if has_functional_groups(header):
        return [_look(frame, module=module, options=options) for frame in frame_headers(header, frames=frames)]
    return [_look(header, module=module, options=options)] * frames


def _look(header: Dataset, *, module: PixelModule, options: DataOptions) -> _Look:
    spacing, origin = spacing_mm(header)
    return _Look(display_of(header, module=module, options=options), spacing, origin)


def _shown(
    array: npt.NDArray[np.integer], *, bits: int, header: Dataset, module: PixelModule, display: grey.Display
) -> npt.NDArray[np.uint8]:
    if module.grey:
        return grey.render(array, display=display)
    if module.photometric == "PALETTE COLOR":
        try:
            colours = apply_color_lut(array, header)[..., :3]
        except MemoryError:
            raise
        except Exception:
            raise Refused(Verdict.decoder_error) from None
        # Some 16-bit palettes hold 8-bit values all the same.
        return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    full = 2**bits - 1
    return array.astype(np.uint8) if full == 255 else np.rint(array * (255 / full)).astype(np.uint8)
