"""Encodings: every transfer syntax, every colour model, files of several frames, and photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from case import PICTURES, Case
from judge import Array, Content
from made_pictures import RAMP_HW, encapsulated, htj2k, htj2k_lossy, lossless_jpeg
from making import (
    GDCM,
    GDCM_COLOUR,
    MAKING,
    TWIN,
    Made,
    colour,
    colour_twin,
    decoded,
    high_bytes,
    made,
    refused,
    twin,
)
from oracles import percentiles
from PIL import Image
from pydicom.uid import HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL, JPEGLossless

from medtrimix.ingest.verdict import Verdict

_EIGHT_BITS = (RAMP_HW // 14).astype(np.uint8)
_COLOURS = np.stack([_EIGHT_BITS, _EIGHT_BITS.T, 255 - _EIGHT_BITS], axis=-1)


def _raster(image: Image.Image, truth: Array, *, name: str, **options: object) -> Made:
    def make(folder: Path) -> tuple[Path, Content]:
        image.save(folder / name, **options)
        return folder / name, Content(pictures=(np.rint(truth).astype(np.uint8),))

    return make


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


TRANSFER_SYNTAXES = (
    Case("implicit little endian (MR_small_implicit)", GDCM, decoded("MR_small_implicit.dcm")),
    Case("explicit little endian (CT_small)", GDCM, decoded("CT_small.dcm")),
    Case("explicit big endian (MR_small_bigendian)", GDCM, decoded("MR_small_bigendian.dcm")),
    Case("RLE (MR_small_RLE)", GDCM, decoded("MR_small_RLE.dcm")),
    Case("RLE, RGB of 16 bits (SC_rgb_rle_16bit)", TWIN, colour_twin("SC_rgb_rle_16bit.dcm",
        "SC_rgb_16bit.dcm", bits=16)),
    Case("JPEG baseline (SC_rgb_jpeg_dcmtk)", GDCM_COLOUR, colour("SC_rgb_jpeg_dcmtk.dcm", tolerance=2)),
    Case("JPEG extended, 12 bits (JPGExtended)", GDCM, decoded("JPGExtended.dcm", tolerance=3)),
    Case("JPEG lossless, selection value 6", MAKING, made(encapsulated(lossless_jpeg(), JPEGLossless),
        percentiles(RAMP_HW))),
    Case("JPEG lossless SV1, signed (JPEG-LL)", GDCM, decoded("JPEG-LL.dcm")),
    Case("JPEG lossless SV1, 8 bits (JPGLosslessP14SV1_1s_1f_8b)", GDCM, decoded("JPGLosslessP14SV1_1s_1f_8b.dcm")),
    Case("JPEG lossless SV1, RGB (SC_rgb_jpeg_gdcm)", TWIN, colour_twin("SC_rgb_jpeg_gdcm.dcm",
        "SC_rgb.dcm")),
    Case("JPEG-LS (MR_small_jpeg_ls_lossless)", TWIN, twin("MR_small_jpeg_ls_lossless.dcm",
        "MR_small.dcm")),
    Case("JPEG-LS near-lossless, 8 bits", GDCM, decoded("JPEGLSNearLossless_08.dcm")),
    Case("JPEG-LS near-lossless, 16 bits", GDCM, decoded("JPEGLSNearLossless_16.dcm")),
    Case("JPEG-LS near-lossless, RGB by line", GDCM_COLOUR, colour("SC_rgb_jls_lossy_line.dcm")),
    Case("JPEG-LS near-lossless, RGB by sample", GDCM_COLOUR, colour("SC_rgb_jls_lossy_sample.dcm")),
    Case("JPEG 2000 lossless (693_J2KR)", TWIN, twin("693_J2KR.dcm", "693_UNCR.dcm")),
    Case("JPEG 2000 whose sign contradicts the header (J2K_pixelrep_mismatch)", GDCM,
        decoded("J2K_pixelrep_mismatch.dcm")),
    Case("JPEG 2000 lossless, RGB (US1_J2KR)", TWIN, colour_twin("US1_J2KR.dcm", "US1_UNCR.dcm")),
    Case("JPEG 2000 (MR2_J2KI)", TWIN, twin("MR2_J2KI.dcm", "MR2_UNCI.dcm", tolerance=1)),
    Case("JPEG 2000, RGB (US1_J2KI)", TWIN, colour_twin("US1_J2KI.dcm", "US1_UNCI.dcm", tolerance=1)),
    Case("JPEG 2000, signed (JPEG2000)", TWIN, twin("JPEG2000.dcm", "JPEG2000_UNC.dcm", tolerance=1)),
    Case("HTJ2K lossless", MAKING, made(encapsulated(htj2k(), HTJ2KLossless), percentiles(RAMP_HW))),
    Case("HTJ2K lossless RPCL", MAKING, made(encapsulated(htj2k(), HTJ2KLosslessRPCL), percentiles(RAMP_HW))),
    Case("HTJ2K", MAKING, made(encapsulated(htj2k_lossy(), HTJ2K), percentiles(RAMP_HW), tolerance=1)),
    Case("deflated (image_dfl)", "documented: may be a bomb", refused("image_dfl.dcm", Verdict.unsupported_syntax)),
    Case("MPEG-4", "documented: video", refused(encapsulated(b"\0\0\0\x20ftyp", "1.2.840.10008.1.2.4.102"),
        Verdict.unsupported_syntax)),
    Case("JPIP: pixels on a server", "documented: no network", refused(encapsulated(b"\0\0",
        "1.2.840.10008.1.2.4.94"), Verdict.unsupported_syntax)),
)  # fmt: skip

COLOUR = (
    Case("RGB by plane (color-pl)", GDCM_COLOUR, colour("color-pl.dcm")),
    Case("RGB by pixel (color-px)", GDCM_COLOUR, colour("color-px.dcm")),
    Case("RGB, big endian, odd length (SC_rgb_small_odd_big_endian)", GDCM_COLOUR,
        colour("SC_rgb_small_odd_big_endian.dcm")),
    Case("RGB of 16 bits, big endian (SC_rgb_expb_16bit)", GDCM_COLOUR, colour("SC_rgb_expb_16bit.dcm", bits=16)),
    Case("RGB of 32 bits (SC_rgb_32bit)", GDCM_COLOUR, colour("SC_rgb_32bit.dcm", bits=32)),
    Case("YBR_FULL, raw (SC_ybr_full_uncompressed)", GDCM_COLOUR, colour("SC_ybr_full_uncompressed.dcm", tolerance=1)),
    Case("YBR_FULL_422, raw (SC_ybr_full_422_uncompressed)", GDCM_COLOUR, colour("SC_ybr_full_422_uncompressed.dcm",
        tolerance=1)),
    Case("YBR_FULL_422, JPEG (SC_rgb_dcmtk_+eb+cy+np)", "dcmtk's RGB twin", colour_twin("SC_rgb_dcmtk_+eb+cy+np.dcm",
        "SC_rgb_dcmtk_ebcynp_dcmd.dcm", tolerance=2)),
    Case("YBR_FULL, JPEG (SC_rgb_dcmtk_+eb+cy+n1)", "dcmtk's RGB twin", colour_twin("SC_rgb_dcmtk_+eb+cy+n1.dcm",
        "SC_rgb_dcmtk_ebcyn1_dcmd.dcm", tolerance=2)),
    Case("RGB, JPEG without colour transform (SC_rgb_dcmtk_+eb+cr)", "dcmtk's RGB twin",
        colour_twin("SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_dcmtk_ebcr_dcmd.dcm", tolerance=2)),
    Case("RGB, JPEG that says so in APP14 (SC_rgb_jpeg_app14_dcmd)", GDCM_COLOUR,
        colour("SC_rgb_jpeg_app14_dcmd.dcm", tolerance=2)),
    Case("YBR_RCT (GDCMJ2K_TextGBR)", GDCM_COLOUR, colour("GDCMJ2K_TextGBR.dcm")),
    Case("palette (examples_palette)", GDCM_COLOUR, colour("examples_palette.dcm")),
    Case("palette, RLE (OBXXXX1A_rle)", GDCM_COLOUR, colour("OBXXXX1A_rle.dcm")),
    Case("palette of 16 bits (gdcm-US-ALOKA-16)", GDCM_COLOUR, high_bytes("gdcm-US-ALOKA-16.dcm")),
    Case("palette of 16 bits, big endian (gdcm-US-ALOKA-16_big)", GDCM_COLOUR, high_bytes("gdcm-US-ALOKA-16_big.dcm")),
)  # fmt: skip

FRAMES = (
    Case("two frames, RGB (SC_rgb_2frame)", GDCM_COLOUR, colour("SC_rgb_2frame.dcm")),
    Case("two frames, RGB of 16 bits, RLE (SC_rgb_rle_16bit_2frame)", TWIN,
        colour_twin("SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_16bit_2frame.dcm", bits=16)),
    Case("two frames, palette, big endian (OBXXXX1A_expb_2frame)", GDCM_COLOUR, colour("OBXXXX1A_expb_2frame.dcm")),
    Case("30 frames, JPEG (examples_ybr_color)", GDCM_COLOUR, colour("examples_ybr_color.dcm", tolerance=3)),
    Case("several frames, while a single picture is expected", "documented", refused("SC_rgb_2frame.dcm",
        Verdict.unsupported_multiframe), PICTURES.model_copy(update={"frames": "refuse"})),
)  # fmt: skip

PHOTOGRAPHS = (
    Case("PNG, grey", MAKING, _raster(Image.fromarray(_EIGHT_BITS), _EIGHT_BITS, name="a.png")),
    Case("PNG of 16 bits: range of 99% of the pixels", "numpy's percentiles", _raster(Image.fromarray(RAMP_HW),
        percentiles(RAMP_HW), name="a.png")),
    Case("PNG with alpha: dropped", MAKING, _raster(Image.fromarray(np.dstack([_COLOURS, _EIGHT_BITS])), _COLOURS,
        name="a.png")),
    Case("PNG that is named .dcm", MAKING, _raster(Image.fromarray(_EIGHT_BITS), _EIGHT_BITS, name="a.dcm",
        format="PNG")),
    Case("TIFF, RGB", MAKING, _raster(Image.fromarray(_COLOURS), _COLOURS, name="a.tif")),
    Case("TIFF turned by EXIF orientation 6", MAKING, _raster(Image.fromarray(_EIGHT_BITS), np.rot90(_EIGHT_BITS, -1),
        name="a.tif", exif=_exif(6))),
)  # fmt: skip
