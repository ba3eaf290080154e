"""PNG, JPEG and TIFF files to display-ready pictures."""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from medtrimix.ingest.grey import AsStored, Display, render
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.verdict import Refused, Verdict

_FORMATS = {"png": ("PNG",), "jpeg": ("JPEG", "MPO"), "tiff": ("TIFF",)}
_GREY_MODES = ("1", "L", "LA", "La")
_PHOTOMETRIC = 262  # TIFF 6.0: 0 is WhiteIsZero
_DEEP_GREY_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def read_raster(file: BinaryIO, *, kind: str, options: DataOptions) -> Picture:
    """A photograph or an export: EXIF orientation applied, alpha dropped.

    8-bit values are shown as they are. 16-bit grey has no window, and its values often use a part of their range: it
    gets the robust range of its pixels, as DICOM without a window does.

    Args:
        file: at its beginning.
        kind: "png", "jpeg" or "tiff".
        options: the cap on pixels.

    Raises:
        Refused: with the reason.
    """
    # The cap on pixels is ours and is applied before decoding; Pillow's own would warn first and name no verdict.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_FORMATS[kind]) as image:
                if image.width * image.height > options.max_megapixels * 1e6:
                    raise Refused(Verdict.too_large)
                if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                    raise Refused(Verdict.unsupported_multiframe)
                white_is_zero = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0
                return Picture(_pixels(ImageOps.exif_transpose(image), white_is_zero=white_is_zero), encoding=kind)
    except (Refused, MemoryError):
        raise
    except Exception as error:
        cut = isinstance(error, OSError) and "truncated" in str(error)
        raise Refused(Verdict.truncated if cut else Verdict.decoder_error) from None


def _pixels(image: Image.Image, *, white_is_zero: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Pillow has inverted pictures of up to 8 bits already where white is zero; deeper ones it leaves as they are."""
    if image.mode in _DEEP_GREY_MODES:
        deep = np.asarray(image)
        voi = AsStored(8 * deep.dtype.itemsize)
        return render(deep, display=Display(modality=None, voi=voi, inverted=white_is_zero, padding=None))
    if image.mode == "F":
        raise Refused(Verdict.unsupported_pixels)
    return np.asarray(image.convert("L" if image.mode in _GREY_MODES else "RGB"))
