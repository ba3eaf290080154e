"""DICOM to pictures: pydicom's bundled files against pydicom's own functions, made files against their making."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from dicom_files import lut, noise, radiograph
from pydicom import config, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from medtrimix.ingest.dicom.codestream import stream_shape
from medtrimix.ingest.dicom.picture import read_dicom
from medtrimix.ingest.dicom.syntax import SYNTAXES
from medtrimix.ingest.grey import Window, apply_window
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.verdict import Refused, Verdict

OPTIONS = DataOptions(source="unused")


def _bundled(name: str) -> Path:
    """A file of pydicom's own wheel; nothing is downloaded."""
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return Path(str(path))


def _read(data: bytes, *, headless: bool = False, options: DataOptions = OPTIONS) -> Picture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in production the process is silent; see test_privacy
        (picture,) = read_dicom(io.BytesIO(data), headless=headless, options=options)
    return picture


def _verdict(data: bytes, *, headless: bool = False, options: DataOptions = OPTIONS) -> Verdict:
    with pytest.raises(Refused) as refusal:
        _read(data, headless=headless, options=options)
    return refusal.value.verdict


def _bytes(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _oracle(path: Path) -> np.ndarray:
    """What pydicom's own functions make of a file, by the rules of `display_of`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(path)
        # Lossy decoders differ by a shade or two, and pydicom takes the first that is installed.
        ds.pixel_array_options(decoding_plugin=SYNTAXES[ds.file_meta.TransferSyntaxUID].plugin)
        array = ds.pixel_array
        if ds.PhotometricInterpretation == "PALETTE COLOR":
            colours = apply_color_lut(array, ds)
            return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
        if ds.SamplesPerPixel == 3:
            full = 2**ds.BitsStored - 1
            return np.rint(array * (255 / full)).astype(np.uint8)
        values = apply_modality_lut(array, ds).astype(float)
        if ds.Modality == "CT":
            shares = apply_window(values, window=Window(*OPTIONS.ct_window))
        elif ds.Modality == "MR" or "WindowCenter" not in ds:
            low, high = np.percentile(values, [0.5, 99.5], method="inverted_cdf")
            shares = np.clip((values - low) / (high - low), 0, 1)
        else:
            shown = apply_voi_lut(values, ds)
            ends = apply_modality_lut(np.array([0, 2**ds.BitsStored - 1]), ds)
            shares = (shown - ends[0]) / (ends[1] - ends[0])
        return np.rint(255 * (1 - shares if ds.PhotometricInterpretation == "MONOCHROME1" else shares)).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("CT_small.dcm", "explicit_le"),
        ("J2K_pixelrep_mismatch.dcm", "jpeg2000"),
        ("693_J2KI.dcm", "jpeg2000_lossy"),
        ("JPEG2000.dcm", "jpeg2000_lossy"),
        ("JPGExtended.dcm", "jpeg_extended"),
        ("MR_small.dcm", "explicit_le"),
        ("MR_small_RLE.dcm", "rle"),
        ("MR_small_bigendian.dcm", "explicit_be"),
        ("MR_small_implicit.dcm", "implicit_le"),
        ("MR_small_jp2klossless.dcm", "jpeg2000"),
        ("MR_small_jpeg_ls_lossless.dcm", "jpegls"),
        ("MR_small_padded.dcm", "explicit_le"),
        ("examples_overlay.dcm", "explicit_le"),
        ("examples_palette.dcm", "explicit_le"),
        ("examples_rgb_color.dcm", "explicit_le"),
        ("examples_jpeg2k.dcm", "jpeg2000"),
        ("ExplVR_BigEnd.dcm", "explicit_be"),
        ("GDCMJ2K_TextGBR.dcm", "jpeg2000"),
        ("SC_rgb_dcmtk_+eb+cy+n1.dcm", "jpeg_baseline"),
        ("SC_rgb_dcmtk_+eb+cy+s2.dcm", "jpeg_baseline"),
        ("SC_rgb_gdcm_KY.dcm", "jpeg2000_lossy"),
        ("SC_rgb_jls_lossy_line.dcm", "jpegls_near"),
        ("SC_rgb_jls_lossy_sample.dcm", "jpegls_near"),
        ("SC_rgb_jpeg_gdcm.dcm", "jpeg_lossless_sv1"),
        ("SC_rgb_rle.dcm", "rle"),
        ("SC_rgb_rle_16bit.dcm", "rle"),
        ("SC_rgb_small_odd_big_endian.dcm", "explicit_be"),
        ("SC_ybr_full_422_uncompressed.dcm", "explicit_le"),
    ],
)
def test_bundled_files_are_shown_as_pydicom_shows_them(name: str, encoding: str) -> None:
    path = _bundled(name)
    picture = _read(path.read_bytes())
    assert picture.encoding == encoding
    np.testing.assert_array_equal(picture.array, _oracle(path))


def test_colours_of_a_test_pattern() -> None:
    # SC_rgb*: bars of 10 rows; known from the files' documentation: red, ..., white at the bottom.
    for name in ("SC_rgb_rle.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_gdcm_KY.dcm", "SC_ybr_full_422_uncompressed.dcm"):
        array = _read(_bundled(name).read_bytes()).array.astype(int)
        assert abs(array[5, 50] - [255, 0, 0]).max() <= 2, name
        assert abs(array[95, 50] - [255, 255, 255]).max() <= 2, name


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("MR_truncated.dcm", Verdict.truncated),
        ("rtplan_truncated.dcm", Verdict.truncated),
        ("rtplan.dcm", Verdict.no_pixels),
        ("reportsi.dcm", Verdict.no_pixels),
        ("waveform_ecg.dcm", Verdict.no_pixels),
        ("dicomdirtests/DICOMDIR", Verdict.no_pixels),
        ("rtdose_1frame.dcm", Verdict.not_an_image),
        ("liver_1frame.dcm", Verdict.not_an_image),
        ("SC_rgb_rle_2frame.dcm", Verdict.unsupported_multiframe),
        ("examples_ybr_color.dcm", Verdict.unsupported_multiframe),
        ("image_dfl.dcm", Verdict.unsupported_syntax),
        ("JPEG-lossy.dcm", Verdict.decoder_error),
        ("JPEG2000-embedded-sequence-delimiter.dcm", Verdict.size_mismatch),
    ],
)
def test_bundled_files_that_are_no_pictures(name: str, verdict: Verdict) -> None:
    assert _verdict(_bundled(name).read_bytes()) is verdict


@pytest.mark.parametrize("name", ["JPEG2000.dcm", "MR_small.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_RLE.dcm"])
def test_a_file_cut_anywhere_is_refused(name: str) -> None:
    whole = _bundled(name).read_bytes()
    padding = 140 if name.startswith("MR_small") else 0  # these end with an element of padding, not with pixels
    for share in (0.1, 0.4, 0.7, 0.95):
        cut = whole[: int(share * (len(whole) - padding))]
        assert _verdict(cut) in (Verdict.truncated, Verdict.no_pixels, Verdict.invalid_header), share
    assert _read(whole)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_syntaxes_give_the_pixels_back(syntax: str, bits: int) -> None:
    stored = noise((64, 80), bits=bits)
    ds = radiograph(stored, BitsStored=bits, HighBit=bits - 1, WindowCenter=2**bits / 2, WindowWidth=2**bits)
    plain = _read(_bytes(ds)).array
    ds.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(_read(_bytes(ds)).array, plain)


def test_the_first_window_wins_and_a_voi_lut_before_it() -> None:
    stored = noise()
    first = radiograph(stored, WindowCenter=[2000, 100], WindowWidth=[1000, 50])
    expected = np.rint(255 * apply_window(stored.astype(float), window=Window(2000, 1000)))
    np.testing.assert_array_equal(_read(_bytes(first)).array, expected)
    table = lut(0, [0, 255], 8)
    both = radiograph(stored, WindowCenter=2000, WindowWidth=1000, VOILUTSequence=[table])
    np.testing.assert_array_equal(_read(_bytes(both)).array, np.where(stored >= 1, 255, 0))


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_inverted_exactly_once(photometric: str, shape: str | None, inverted: bool) -> None:
    stored = noise(bits=8)
    extra = {} if shape is None else {"PresentationLUTShape": shape}
    picture = _read(_bytes(radiograph(stored, PhotometricInterpretation=photometric, **extra)))
    np.testing.assert_array_equal(picture.array, 255 - stored if inverted else stored)


def test_modalities_have_their_own_rules() -> None:
    stored = noise()
    window = {"WindowCenter": 100, "WindowWidth": 50, "RescaleSlope": 2, "RescaleIntercept": -1000}
    ct = _read(_bytes(radiograph(stored, Modality="CT", **window))).array
    hounsfield = stored * 2.0 - 1000
    np.testing.assert_array_equal(ct, np.rint(255 * apply_window(hounsfield, window=Window(40, 400))))
    grey = noise(bits=8)
    capture = _read(_bytes(radiograph(grey, Modality="CT"))).array
    np.testing.assert_array_equal(capture, grey, err_msg="without a rescale these are no Hounsfield units")
    mr = _read(_bytes(radiograph(stored, Modality="MR", **window))).array
    assert 100 < mr.mean() < 155, "the range of the pixels, not the window"
    xa = _read(_bytes(radiograph(stored, Modality="XA", **window))).array
    np.testing.assert_array_equal(xa, np.rint(255 * apply_window(stored.astype(float), window=Window(100, 50))))


def test_signed_padding_written_as_unsigned() -> None:
    stored = noise(bits=10).astype(np.int16)
    stored[:10] = -2000
    ds = radiograph(stored)
    ds.add_new("PixelPaddingValue", "US", 63536)  # -2000 as many CT scanners write it
    picture = _read(_bytes(ds)).array
    assert picture[:10].max() == 0
    assert picture[10:].min() == 0, "the range begins at the lowest real value"
    assert 100 < picture[10:].mean() < 155


def test_unsigned_padding_written_as_signed() -> None:
    stored = noise(bits=10)
    stored[:10] = 63536
    ds = radiograph(stored)
    ds.add_new("PixelPaddingValue", "SS", -2000)
    picture = _read(_bytes(ds)).array
    assert picture[:10].max() == 0
    assert 100 < picture[10:].mean() < 155


@pytest.mark.parametrize("implicit", [False, True])
def test_a_voi_lut_of_unsigned_pixels_may_begin_below_zero(implicit: bool) -> None:
    """Its first value has the sign of the pixels when the VR is not written, whatever the rescale makes of them."""
    table = Dataset()
    table.add_new("LUTDescriptor", "US" if implicit else "SS", [256, 65436 if implicit else -100, 8])
    table.add_new("LUTData", "OW", np.arange(256, dtype="<u2").tobytes())
    ds = radiograph(
        np.array([[900, 1000, 1155, 0]], np.uint16), RescaleSlope=1, RescaleIntercept=-1000, VOILUTSequence=[table]
    )
    if implicit:
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert _read(_bytes(ds)).array.tolist() == [[0, 100, 255, 0]]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"PixelSpacing": [0.2, 0.3], "ImagerPixelSpacing": [9, 9]}, (0.2, 0.3)),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2)),
        ({"ImagerPixelSpacing": [0.3, 0.3], "EstimatedRadiographicMagnificationFactor": 1.5}, (0.2, 0.2)),
        ({}, None),
        ({"PixelSpacing": [0, 0]}, None),
    ],
)
def test_spacing(elements: dict[str, object], expected: tuple[float, float] | None) -> None:
    spacing = _read(_bytes(radiograph(noise(), **elements))).spacing_mm
    assert spacing == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("elements", "verdict"),
    [
        ({"Rows": None}, Verdict.invalid_header),
        ({"Rows": 0}, Verdict.invalid_header),
        ({"BitsStored": 17, "HighBit": 16}, Verdict.invalid_header),
        ({"SamplesPerPixel": 3}, Verdict.invalid_header),
        ({"PhotometricInterpretation": "CMYK"}, Verdict.unsupported_pixels),
        ({"VOILUTFunction": "CANARY", "WindowCenter": 1, "WindowWidth": 2}, Verdict.invalid_header),
        ({"NumberOfFrames": 2}, Verdict.unsupported_multiframe),
        ({"Rows": 60000, "Columns": 60000}, Verdict.too_large),
        ({"Modality": "SEG"}, Verdict.not_an_image),
        ({"PixelData": None}, Verdict.truncated),
    ],
)
def test_headers_that_can_not_be_right(elements: dict[str, object], verdict: Verdict) -> None:
    assert _verdict(_bytes(radiograph(noise(), **elements))) is verdict


@pytest.mark.parametrize("frames", ["1A", "CANARY"])
def test_a_number_of_frames_that_is_none(frames: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _bytes(radiograph(noise(), NumberOfFrames="7"))
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)
    patched = data.replace(b"IS\x02\x007 ", b"IS\x02\x00" + frames[:2].encode())
    assert patched != data
    assert _verdict(patched) is Verdict.invalid_header


def test_a_window_that_the_standard_forbids_is_no_window() -> None:
    stored = noise()
    absent = _read(_bytes(radiograph(stored))).array
    np.testing.assert_array_equal(_read(_bytes(radiograph(stored, WindowCenter=5, WindowWidth=0))).array, absent)


def test_a_stream_larger_than_its_header_is_never_decoded() -> None:
    ds = radiograph(noise((64, 64), bits=8))
    ds.compress(JPEGLSLossless, generate_instance_uid=False)
    ds.Rows = 32
    assert _verdict(_bytes(ds)) is Verdict.size_mismatch


def test_the_cap_counts_pixels() -> None:
    data = _bytes(radiograph(noise((100, 100))))
    assert _read(data, options=DataOptions(source="x", max_megapixels=0.01))
    assert _verdict(data, options=DataOptions(source="x", max_megapixels=0.0099)) is Verdict.too_large


def test_a_data_set_without_preamble() -> None:
    ds = radiograph(noise())
    expected = _read(_bytes(ds)).array
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    whole = _bytes(ds)
    start = whole.index(b"\x08\x00\x16\x00")  # SOP class: where the data set begins
    picture = _read(whole[start:], headless=True)
    assert picture.encoding == "implicit_le"
    np.testing.assert_array_equal(picture.array, expected)


def test_only_allowed_elements_are_parsed_and_none_is_shown() -> None:
    picture = _read(_bytes(radiograph(noise())))
    assert picture.identity.patient_id == "MRN0001"
    assert "MRN" not in repr(picture)


def test_sizes_in_streams() -> None:
    assert stream_shape(b"\xff\xd8\xff\xfe\x00\x04ab\xff\xc0\x00\x11\x08\x01\x02\x03\x04\x03") == (0x102, 0x304, 3)
    siz = b"\xff\x4f\xff\x51\x00\x29\x00\x00" + b"".join(n.to_bytes(4, "big") for n in (30, 20, 10, 5, 0, 0, 0, 0))
    assert stream_shape(siz + b"\x00\x01") == (15, 20, 1)
    for garbage in (b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", siz[:20], b"\xff\xd8\xff\xe0\x00\x00" * 3):
        assert stream_shape(garbage) is None
