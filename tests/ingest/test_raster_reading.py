"""PNG, JPEG and TIFF: orientation, alpha, depth, damage."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from dicom_files import noise
from PIL import Image

from medtrimix.ingest.formats.raster import read_raster
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.verdict import Refused, Verdict

OPTIONS = DataOptions(source="unused")
GREY = noise((20, 30), bits=8)
COLOUR = noise((20, 30, 3), bits=8)


def _file(image: Image.Image, kind: str = "png", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _read(data: bytes, kind: str = "png") -> Picture:
    return read_raster(io.BytesIO(data), kind=kind, options=OPTIONS)


def _verdict(data: bytes, kind: str = "png", options: DataOptions = OPTIONS) -> Verdict:
    with pytest.raises(Refused) as refusal:
        read_raster(io.BytesIO(data), kind=kind, options=options)
    return refusal.value.verdict


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("array", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_files_give_the_pixels_back(kind: str, array: np.ndarray) -> None:
    picture = _read(_file(Image.fromarray(array), kind), kind)
    assert (picture.encoding, picture.modality, picture.spacing_mm) == (kind, "", None)
    np.testing.assert_array_equal(picture.array, array)


def test_jpeg() -> None:
    smooth = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
    picture = _read(_file(Image.fromarray(smooth), "jpeg", quality=95), "jpeg")
    assert abs(picture.array.astype(int) - smooth).max() <= 4


def test_alpha_is_dropped_not_mixed_in() -> None:
    alpha = np.zeros((20, 30, 1), np.uint8)
    colour = Image.fromarray(np.concatenate([COLOUR, alpha], axis=2), "RGBA")
    np.testing.assert_array_equal(_read(_file(colour)).array, COLOUR)
    grey = Image.fromarray(np.stack([GREY, alpha[..., 0]], axis=2), "LA")
    np.testing.assert_array_equal(_read(_file(grey)).array, GREY)


def test_palette_and_black_and_white() -> None:
    indexed = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2), "P")
    indexed.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    assert _read(_file(indexed)).array.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]]
    assert _read(_file(Image.fromarray(np.array([[True, False]])))).array.tolist() == [[255, 0]]


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    picture = _read(_file(Image.fromarray(GREY), "png", exif=exif.tobytes()))
    np.testing.assert_array_equal(picture.array, np.rot90(GREY, -1))


def test_sixteen_bits_take_the_range_of_their_pixels() -> None:
    deep = noise((40, 50), bits=12, seed=3)  # a sixteenth of the container: divided by 256 it would be black
    array = _read(_file(Image.fromarray(deep))).array
    low, high = np.percentile(deep, [0.5, 99.5], method="inverted_cdf")
    np.testing.assert_array_equal(array, np.rint(255 * np.clip((deep.astype(float) - low) / (high - low), 0, 1)))
    shifted = GREY.astype(np.uint16) << 8
    np.testing.assert_array_equal(_read(_file(Image.fromarray(shifted))).array, GREY)


@pytest.mark.parametrize("deep", [GREY, GREY.astype(np.uint16) << 8, noise((40, 50), bits=12)], ids=["8", "16", "12"])
def test_a_tiff_says_whether_zero_is_white(deep: np.ndarray) -> None:
    black_is_zero = _file(Image.fromarray(deep), "tiff")
    photometric = struct.pack("<HHI", 262, 3, 1)
    white_is_zero = black_is_zero.replace(photometric + b"\1", photometric + b"\0")
    assert white_is_zero != black_is_zero
    shown, expected = (_read(data, "tiff").array.astype(int) for data in (white_is_zero, black_is_zero))
    np.testing.assert_allclose(shown, 255 - expected, atol=deep is not GREY, err_msg="halves are rounded up both times")


def test_damage() -> None:
    whole = _file(Image.fromarray(noise((200, 200), bits=8)))
    assert _verdict(whole[: len(whole) // 2]) is Verdict.truncated
    assert _verdict(whole[:8] + b"garbage" * 100) is Verdict.decoder_error
    middle = len(whole) // 2
    assert _verdict(whole[:middle] + bytes(64) + whole[middle + 64 :]) in (Verdict.decoder_error, Verdict.truncated)
    assert _read(whole)


def test_what_is_not_read() -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(GREY)]
    assert _verdict(_file(pages[0], "tiff", save_all=True, append_images=pages[1:]), "tiff") is (
        Verdict.unsupported_multiframe
    )
    assert _verdict(_file(Image.fromarray(GREY.astype(np.float32)), "tiff"), "tiff") is Verdict.unsupported_pixels
    assert _verdict(_file(Image.fromarray(GREY)), options=DataOptions(source="x", max_megapixels=5e-4)) is (
        Verdict.too_large
    )
    assert _verdict(_file(Image.fromarray(GREY)), "jpeg") is Verdict.decoder_error, "no second reader is tried"


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    header = _file(Image.new("L", (1, 1)))
    bomb = header.replace((1).to_bytes(4, "big") * 2, (60000).to_bytes(4, "big") * 2, 1)
    import zlib

    crc = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    assert _verdict(bomb[:29] + crc + bomb[33:]) is Verdict.too_large
