"""Transfer syntaxes that are read, and the decoder of each.

A decoder is named, never tried: pydicom's own fallback would make the picture depend on what happens to be installed.
pyjpegls is 3 times faster than pylibjpeg on JPEG-LS, and pylibjpeg's RLE 9 times faster than pydicom's own.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFLATED = "1.2.840.10008.1.2.1.99"
"""Deflated explicit VR: 1 MB of it can grow to 2 GB before the first element is read."""


@dataclass(frozen=True)
class Syntax:
    """`name` goes into the index; `plugin` is pydicom's name of the decoder, "" for pixels that are not compressed."""

    name: str
    plugin: str

    @property
    def compressed(self) -> bool:
        """Whether the pixels come in fragments of a code stream."""
        return self.plugin != ""

    @property
    def plain(self) -> bool:
        """Whether the pixels lie in the file as they lie in memory."""
        return self.name in ("implicit_le", "explicit_le")

    @property
    def corrects_sign(self) -> bool:
        """Whether the code stream has its own precision, which pydicom has already applied to the decoded values."""
        return self.name.startswith(("jpeg2000", "htj2k", "jpegls"))

    @property
    def lossy(self) -> bool:
        """Whether compressing may have changed the pixels."""
        return self.name in ("jpeg_baseline", "jpeg_extended", "jpegls_near", "jpeg2000_lossy", "htj2k_lossy")


SYNTAXES = {
    "1.2.840.10008.1.2": Syntax("implicit_le", ""),
    "1.2.840.10008.1.2.1": Syntax("explicit_le", ""),
    "1.2.840.10008.1.2.2": Syntax("explicit_be", ""),
    "1.2.840.10008.1.2.4.50": Syntax("jpeg_baseline", "pylibjpeg"),
    "1.2.840.10008.1.2.4.51": Syntax("jpeg_extended", "pylibjpeg"),
    "1.2.840.10008.1.2.4.57": Syntax("jpeg_lossless", "pylibjpeg"),
    "1.2.840.10008.1.2.4.70": Syntax("jpeg_lossless_sv1", "pylibjpeg"),
    "1.2.840.10008.1.2.4.80": Syntax("jpegls", "pyjpegls"),
    "1.2.840.10008.1.2.4.81": Syntax("jpegls_near", "pyjpegls"),
    "1.2.840.10008.1.2.4.90": Syntax("jpeg2000", "pylibjpeg"),
    "1.2.840.10008.1.2.4.91": Syntax("jpeg2000_lossy", "pylibjpeg"),
    "1.2.840.10008.1.2.4.201": Syntax("htj2k", "pylibjpeg"),
    "1.2.840.10008.1.2.4.202": Syntax("htj2k_rpcl", "pylibjpeg"),
    "1.2.840.10008.1.2.4.203": Syntax("htj2k_lossy", "pylibjpeg"),
    "1.2.840.10008.1.2.5": Syntax("rle", "pylibjpeg"),
}
