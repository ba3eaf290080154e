"""The fast values against pydicom's own, on every file of its wheel, and on bytes that no writer should write."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom.data
import pytest
from dicom_files import as_bytes, ct_series, hounsfield
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from medtrimix.ingest.dicom.dataset import ALLOWED_TAGS, read_header, read_pixels
from medtrimix.ingest.dicom.values import numbers, text, whole_number, words
from medtrimix.ingest.verdict import Refused, Verdict

_FILES = sorted((Path(pydicom.data.__file__).parent / "test_files").glob("[!b]*.dcm"))  # badVR.dcm holds a "1A"


def _headers() -> Iterator[tuple[Dataset, Dataset]]:
    """Each file that pydicom reads, twice: what was asked for once is parsed, and our way is for what is not."""
    for path in _FILES:
        try:
            pair = [dcmread(path, stop_before_pixels=True, force=True, specific_tags=[*ALLOWED_TAGS]) for _ in "ab"]
            pair[1].decode()  # parses every value
        except Exception:
            continue
        yield pair[0], pair[1]


def test_values_are_those_of_pydicom() -> None:
    compared = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ours, theirs in _headers():
            for element in theirs:
                keyword, value = element.keyword, element.value
                several = value if isinstance(value, MultiValue | list) else [] if value in (None, "") else [value]
                if element.VR in ("DS", "IS", "US", "SS", "UL", "FD", "FL"):
                    assert numbers(ours, keyword) == tuple(map(float, several)), keyword
                elif element.VR in ("CS", "UI", "LO", "SH"):
                    assert words(ours, keyword) == tuple(str(word).strip() for word in several), keyword
                    assert len(several) > 1 or text(ours, keyword) == "".join(several).strip(), keyword
                else:
                    continue
                compared += 1
    assert compared > 1000


def test_headers_are_those_of_pydicom(monkeypatch: pytest.MonkeyPatch) -> None:
    unusual = []

    def counted(*args: object, **kwargs: object) -> Dataset:
        unusual.append(1)
        return dcmread(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("medtrimix.ingest.dicom.dataset.dcmread", counted)
    compared = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in _FILES:
            try:
                header, uid = read_header(io.BytesIO(path.read_bytes()), headless=False)
            except Refused:
                continue
            expected = dcmread(path, stop_before_pixels=True, specific_tags=[*ALLOWED_TAGS])
            assert list(header) == list(expected), path.name
            assert header.original_encoding[1] == expected.original_encoding[1], path.name
            assert uid == expected.file_meta.get("TransferSyntaxUID", uid), path.name
            compared += 1
    assert compared > 50
    assert len(unusual) < 20, "the fast way is the usual one"


def test_a_header_longer_than_what_is_read_at_first() -> None:
    ds = ct_series(hounsfield((1, 4, 4)))[0]
    ds.add_new(Tag(0x0021, 0x0010), "LO", "FILLER")
    ds.add_new(Tag(0x0021, 0x1001), "OB", bytes(100_000))
    file = io.BytesIO(as_bytes(ds))
    header, _ = read_header(file, headless=False)
    read_pixels(file, header=header)
    assert header.PixelData == ds.PixelData


def _holding(keyword: str, vr: str | None, value: bytes, *, little_endian: bool = True) -> Dataset:
    ds = Dataset()
    tag = Tag(keyword)
    ds[tag] = RawDataElement(tag, vr, len(value), value, 0, vr is None, little_endian)
    return ds


@pytest.mark.parametrize("vr", ["FD", None])
@pytest.mark.parametrize("little_endian", [True, False])
def test_binary_numbers_of_both_byte_orders(vr: str | None, little_endian: bool) -> None:
    value = struct.pack("<2d" if little_endian else ">2d", 0.25, -3.5)
    ds = _holding("DiffusionGradientOrientation", vr, value, little_endian=little_endian)
    assert numbers(ds, "DiffusionGradientOrientation") == (0.25, -3.5)


@pytest.mark.parametrize(
    ("value", "expected"), [(b"1.5 \\2\0", (1.5, 2.0)), (b"", ()), (b"  ", ()), (b"-1e-3 ", (-0.001,))]
)
def test_decimal_strings_with_padding(value: bytes, expected: tuple[float, ...]) -> None:
    assert numbers(_holding("PixelSpacing", "DS", value), "PixelSpacing") == expected


@pytest.mark.parametrize("value", [b"1A", b"1.5", b"1e400", b"nan", b"\xff", b"1\\\\2"])
def test_a_count_that_is_none(value: bytes) -> None:
    with pytest.raises((Refused, ValueError, OverflowError)):
        whole_number(_holding("NumberOfFrames", "IS", value), "NumberOfFrames", default=1)
    assert whole_number(_holding("NumberOfFrames", "IS", b"12 "), "NumberOfFrames") == 12


def test_what_is_absent() -> None:
    assert (numbers(Dataset(), "Rows"), text(Dataset(), "Modality"), words(Dataset(), "ImageType")) == ((), "", ())
    assert whole_number(Dataset(), "NumberOfFrames", default=1) == 1
    with pytest.raises(Refused) as refusal:
        whole_number(Dataset(), "Rows")
    assert refusal.value.verdict is Verdict.invalid_header
