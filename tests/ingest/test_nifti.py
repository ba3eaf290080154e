"""NIfTI against nibabel, and files that lie or are made to harm."""

from __future__ import annotations

import contextlib
import gzip
import io
import logging
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dicom_files import noise
from hypothesis import given
from hypothesis import strategies as st

from medtrimix.ingest.flags import Flag
from medtrimix.ingest.formats.nifti import read_nifti
from medtrimix.ingest.grey import full_range
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels

CANARY = b"CANARY^NAME"
AFFINE = np.array([[-1.5, 0.1, 0, 90], [0.1, 1.5, 0.2, -126], [0, -0.2, 3, -72], [0, 0, 0, 1]])
NIBABEL_DATA = Path(nib.__file__).parent / "tests" / "data"


def _options(*, max_megavoxels: float = 1, **volume: Any) -> DataOptions:
    return DataOptions(source="x", volume=VolumeOptions(**volume), max_megavoxels=max_megavoxels)


def _image(values: np.ndarray, *, kind: type = nib.Nifti1Image, order: str = "<", **header: Any) -> Any:
    image = kind(values, AFFINE, kind.header_class(endianness=order), dtype=values.dtype)
    for name in ("descrip", "aux_file", "db_name", "intent_name"):
        if name in image.header:
            image.header[name] = CANARY
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", CANARY))
    for name, value in header.items():
        image.header[name] = value
    return image


def _bytes(image: Any) -> bytes:
    return image.to_bytes()  # type: ignore[no-any-return]


def _patched(content: bytes, *, at: int, code: str, value: float | bytes) -> bytes:
    """The file with one field of its header replaced, unchecked."""
    packed = struct.pack(code, value)
    return content[:at] + packed + content[at + len(packed) :]


def _read(content: bytes, *, zipped: bool = False, options: DataOptions | None = None) -> tuple[Voxels, ...]:
    return read_nifti(io.BytesIO(content), zipped=zipped, options=options or _options())


def _verdict(content: bytes, *, zipped: bool = False, options: DataOptions | None = None) -> Verdict:
    with pytest.raises(Refused) as refusal:
        _read(content, zipped=zipped, options=options)
    return refusal.value.verdict


def _one(content: bytes, **options: Any) -> Voxels:
    (voxels,) = _read(content, options=_options(**options))
    return voxels


def _as_nibabel(voxels: Voxels) -> np.ndarray:
    """Columns, rows, slices, and channels if there are several."""
    values = voxels.values_CDHW.transpose(3, 2, 1, 0)
    return values[..., 0] if values.shape[3] == 1 else values


VALUES = noise((7, 6, 5), bits=15).astype(np.int16) - 4000
GOOD = _bytes(_image(VALUES))


# --- the same as nibabel ---


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("rescale", [(1.0, 0.0), (0.5, -1024.0)])
def test_values_and_affine_are_nibabels(
    kind: type, order: str, zipped: bool, dtype: str, rescale: tuple[float, float]
) -> None:
    values = noise((7, 6, 5), bits=7).astype(dtype)
    content = _bytes(_image(values, kind=kind, order=order, scl_slope=rescale[0], scl_inter=rescale[1]))
    (voxels,) = _read(gzip.compress(content) if zipped else content, zipped=zipped)
    truth = kind.from_bytes(content)
    np.testing.assert_array_equal(_as_nibabel(voxels), truth.get_fdata())
    np.testing.assert_array_equal(voxels.affine, truth.affine)
    whole = dtype[0] != "f" and rescale == (1.0, 0.0)
    assert voxels.values_CDHW.dtype == (np.int16 if whole else np.float32)
    assert voxels.flags == ()
    assert (voxels.encoding, voxels.modality, voxels.window, voxels.frame) == ("nifti", "", None, 0)
    assert voxels.spacing_mm == pytest.approx(np.linalg.norm(AFFINE[:3, 2::-1], axis=0).tolist(), rel=1e-6)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("u2", 32767, "i2"),
        ("u2", 32768, "i4"),
        ("i4", -(2**31), "i4"),
        ("u4", 2**31 - 1, "i4"),
        ("u4", 2**31, "f4"),
        ("i8", 2**40, "f4"),
    ],
)
def test_the_narrowest_type_that_holds_the_values(dtype: str, value: int, expected: str) -> None:
    values = np.zeros((4, 4, 4), dtype)
    values[1, 2, 3] = value
    voxels = _one(_bytes(_image(values)))
    assert voxels.values_CDHW.dtype == expected
    assert voxels.values_CDHW[0, 3, 2, 1] == value


def test_a_rescale_does_not_lose_the_last_digit_of_wide_numbers() -> None:
    values = (np.arange(64, dtype=np.uint32) + 2**31).reshape(4, 4, 4)
    voxels = _one(_bytes(_image(values, scl_slope=1.0, scl_inter=-(2.0**31))))
    np.testing.assert_array_equal(_as_nibabel(voxels).ravel(), np.arange(64))
    halves = _one(_bytes(_image(values, scl_slope=0.5, scl_inter=-(2.0**30))))
    np.testing.assert_array_equal(_as_nibabel(halves).ravel(), np.arange(64) / 2)
    doubles = _one(_bytes(_image(values.astype("f8"), scl_slope=1.0, scl_inter=-(2.0**31))))
    np.testing.assert_array_equal(_as_nibabel(doubles).ravel(), np.arange(64))
    assert len(np.unique(values.astype(np.float32))) == 1, "float32 would have lost them all"


@pytest.mark.parametrize(
    ("dtype", "values", "shift", "expected"),
    [
        ("i2", (0, 4095), -1024, "i2"),  # CT
        ("u2", (0, 65535), -32768, "i2"),
        ("u2", (40000, 65535), -40000, "i4"),
        ("i2", (0, 32767), 1, "i4"),
        ("u1", (0, 255), -1024, "i2"),
        ("i4", (0, 2**31 - 1), 1, "f4"),
        ("i2", (0, 4095), 2.0**40, "f4"),
        ("i2", (0, 4095), 0.5, "f4"),
    ],
)
def test_a_rescale_that_only_shifts(dtype: str, values: tuple[int, int], shift: float, expected: str) -> None:
    stored = np.resize(np.array(values), (4, 4, 4)).astype(dtype)
    voxels = _one(_bytes(_image(stored, scl_slope=1.0, scl_inter=shift)))
    assert voxels.values_CDHW.dtype == expected
    np.testing.assert_array_equal(_as_nibabel(voxels), (stored.astype(float) + shift).astype(np.float32))


@pytest.mark.parametrize(("slope", "inter"), [(0.0, 5.0), (np.nan, 5.0), (np.inf, np.nan)])
def test_a_slope_that_is_none(slope: float, inter: float) -> None:
    voxels = _one(_bytes(_image(VALUES, scl_slope=slope, scl_inter=inter)))
    np.testing.assert_array_equal(_as_nibabel(voxels), VALUES)


def test_sform_before_qform_before_a_guess() -> None:
    other = np.diag([2.0, 2, 2, 1])
    image = _image(VALUES)
    image.set_qform(other, code=1)
    np.testing.assert_allclose(_one(_bytes(image)).affine, AFFINE, atol=1e-6)
    image.set_sform(None, code=0)
    np.testing.assert_allclose(_one(_bytes(image)).affine, other)
    assert _one(_bytes(image)).flags == ()
    image.set_qform(None, code=0)
    voxels = _one(_bytes(image))
    assert voxels.flags == (Flag.no_orientation_code,)
    np.testing.assert_array_equal(voxels.affine, image.header.get_base_affine())


@pytest.mark.parametrize(("unit", "factor"), [(0, 1), (1, 1e3), (2, 1), (3, 1e-3)])
def test_affines_are_in_millimetres(unit: int, factor: float) -> None:
    image = _image(VALUES, xyzt_units=unit + 8)
    np.testing.assert_allclose(_one(_bytes(image)).affine[:3], AFFINE[:3] * factor, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "volume"),
    [
        ("anatomical.nii", {}),
        ("reoriented_anat_moved.nii", {}),
        ("example_nifti2.nii.gz", {"fourth_axis": "samples"}),
        ("example4d.nii.gz", {"fourth_axis": "samples"}),
        ("functional.nii", {"fourth_axis": "samples"}),
    ],
)
def test_real_files_of_nibabel(name: str, volume: dict[str, Any]) -> None:
    truth = nib.load(NIBABEL_DATA / name)
    with (NIBABEL_DATA / name).open("rb") as file:
        found = read_nifti(file, zipped=name.endswith(".gz"), options=_options(**volume))
    expected = truth.get_fdata()
    expected = expected[..., None] if expected.ndim == 3 else expected
    assert [voxels.frame for voxels in found] == list(range(expected.shape[3]))
    for voxels in found:
        np.testing.assert_allclose(_as_nibabel(voxels), expected[..., voxels.frame], rtol=1e-6)
        np.testing.assert_array_equal(voxels.affine, truth.affine)


# --- more than three axes, and fewer ---


def test_a_fourth_axis_is_what_the_options_say() -> None:
    values = noise((7, 6, 5, 4), bits=12).astype(np.int16)
    content = _bytes(_image(values))
    assert _verdict(content) == Verdict.unsupported_4d
    samples = _read(content, options=_options(fourth_axis="samples"))
    assert [voxels.frame for voxels in samples] == [0, 1, 2, 3]
    for voxels in samples:
        np.testing.assert_array_equal(_as_nibabel(voxels), values[..., voxels.frame])
    np.testing.assert_array_equal(_as_nibabel(_one(content, fourth_axis="channels", channels=4)), values)
    assert _verdict(content, options=_options(fourth_axis="channels", channels=3)) == Verdict.unsupported_4d
    assert _verdict(GOOD, options=_options(fourth_axis="channels", channels=3)) == Verdict.unsupported_4d


@pytest.mark.parametrize("shape", [(7, 6, 5, 1), (7, 6, 5, 1, 1), (7, 6, 5, 1, 1, 1, 1)])
def test_axes_of_one_count_for_nothing(shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(_as_nibabel(_one(_bytes(_image(VALUES.reshape(shape))))), VALUES)


def test_a_fifth_axis() -> None:
    vectors = noise((7, 6, 5, 1, 3), bits=12).astype(np.int16)
    found = _one(_bytes(_image(vectors)), fourth_axis="channels", channels=3)
    np.testing.assert_array_equal(_as_nibabel(found), vectors[:, :, :, 0])
    both = _bytes(_image(noise((7, 6, 5, 2, 3), bits=12).astype(np.int16)))
    assert _verdict(both, options=_options(fourth_axis="samples")) == Verdict.unsupported_4d


@pytest.mark.parametrize("shape", [(7,), (7, 6), (7, 6, 1), (7, 6, 2), (7, 6, 1, 5)])
def test_too_few_slices(shape: tuple[int, ...]) -> None:
    content = _bytes(_image(np.zeros(shape, np.int16)))
    assert _verdict(content, options=_options(fourth_axis="samples")) == Verdict.too_few_slices
    assert _read(content, options=_options(fourth_axis="samples", min_slices=1))


# --- colour, windows ---


@pytest.mark.parametrize("letters", ["RGB", "RGBA"])
def test_colour(letters: str) -> None:
    colours = noise((7, 6, 5, len(letters)), bits=8)
    values = colours.view([(letter, "u1") for letter in letters])[..., 0]
    voxels = _one(_bytes(_image(values)), window_hu=(0, 80))
    np.testing.assert_array_equal(_as_nibabel(voxels), colours[..., :3])
    assert voxels.values_CDHW.dtype == np.int16
    assert voxels.window == full_range(0, 255), "colour is shown as it is"
    assert _verdict(_bytes(_image(values)), options=_options(fourth_axis="channels", channels=3)) == (
        Verdict.unsupported_4d
    )


def test_the_window_of_the_options() -> None:
    assert _one(GOOD, window_hu=(-10, 80)).window == full_range(-10, 80)


# --- what is refused ---

TYPE, BITS, DIM, MAGIC, OFFSET, SLOPE, INTER = 70, 72, 40, 344, 108, 112, 116


@pytest.mark.parametrize(
    ("at", "code", "value", "verdict"),
    [
        (TYPE, "<h", 32, Verdict.unsupported_pixels),  # complex64
        (TYPE, "<h", 1792, Verdict.unsupported_pixels),  # complex128
        (TYPE, "<h", 1536, Verdict.unsupported_pixels),  # float128
        (TYPE, "<h", 1, Verdict.unsupported_pixels),  # bits
        (TYPE, "<h", 12345, Verdict.unsupported_pixels),
        (0, "<i", 349, Verdict.not_an_image),
        (68, "<h", 3006, Verdict.not_an_image),  # CIFTI
        (MAGIC, "4s", b"ni1\0", Verdict.no_pixels),
        (MAGIC, "4s", b"\0\0\0\0", Verdict.invalid_header),  # Analyze 7.5
        (MAGIC, "4s", b"n+9\0", Verdict.invalid_header),
        (DIM, "<h", 0, Verdict.invalid_header),
        (DIM, "<h", 8, Verdict.invalid_header),
        (DIM, "<h", -3, Verdict.invalid_header),
        (DIM, "<h", 2, Verdict.too_few_slices),
        (DIM + 2, "<h", 0, Verdict.invalid_header),
        (DIM + 2, "<h", -7, Verdict.invalid_header),
        (DIM + 2, "<h", 8, Verdict.truncated),
        (DIM + 6, "<h", 32767, Verdict.too_large),
        (OFFSET, "<f", 0, Verdict.invalid_header),
        (OFFSET, "<f", 100, Verdict.invalid_header),
        (OFFSET, "<f", -352, Verdict.invalid_header),
        (OFFSET, "<f", np.nan, Verdict.invalid_header),
        (OFFSET, "<f", np.inf, Verdict.invalid_header),
        (OFFSET, "<f", 1e30, Verdict.invalid_header),
        (OFFSET, "<f", 1e6, Verdict.truncated),
        (INTER, "<f", np.nan, Verdict.invalid_header),
        (SLOPE, "<f", 3e38, Verdict.not_finite),
        (280, "<f", np.nan, Verdict.invalid_header),  # sform
        (280, "<f", 1e38, Verdict.invalid_header),
    ],
)
def test_headers_that_lie(at: int, code: str, value: float | bytes, verdict: Verdict) -> None:
    assert _verdict(_patched(GOOD, at=at, code=code, value=value)) == verdict


def test_without_volumes_in_the_options() -> None:
    assert _verdict(GOOD, options=DataOptions(source="x")) == Verdict.is_volume


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_voxels_that_are_no_numbers(wrong: float, dtype: str) -> None:
    values = VALUES.astype(dtype)
    assert _read(_bytes(_image(values)))
    values[3, 2, 1] = wrong
    assert _verdict(_bytes(_image(values))) == Verdict.not_finite


def test_doubles_beyond_single_precision() -> None:
    values = VALUES.astype("f8")
    values[3, 2, 1] = 1e300
    assert _verdict(_bytes(_image(values))) == Verdict.not_finite


def test_the_cap_is_on_the_voxels_of_all_volumes() -> None:
    content = _bytes(_image(np.zeros((10, 10, 10, 10), np.int8)))
    options = {"fourth_axis": "samples"}
    assert len(_read(content, options=_options(max_megavoxels=0.01, **options))) == 10
    assert _verdict(content, options=_options(max_megavoxels=0.009999, **options)) == Verdict.too_large


# --- damaged and hostile files ---


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_may_be_cut_anywhere(zipped: bool) -> None:
    content = gzip.compress(GOOD, mtime=0) if zipped else GOOD
    expected = {Verdict.truncated} if zipped else {Verdict.truncated, Verdict.not_an_image}
    for end in range(0, len(content), 7):
        assert _verdict(content[:end], zipped=zipped) in expected


def test_what_follows_the_voxels_is_left_alone() -> None:
    for content, zipped in [
        (GOOD + b"garbage", False),
        (gzip.compress(GOOD + b"garbage"), True),
        (gzip.compress(GOOD) + b"garbage", True),
        (gzip.compress(GOOD) + bytes(512), True),
    ]:
        (voxels,) = _read(content, zipped=zipped)
        np.testing.assert_array_equal(_as_nibabel(voxels), VALUES)


def test_gzip_files_of_many_members() -> None:
    pieces = b"".join(gzip.compress(GOOD[start : start + 100]) for start in range(0, len(GOOD), 100))
    (voxels,) = _read(pieces, zipped=True)
    np.testing.assert_array_equal(_as_nibabel(voxels), VALUES)


def test_zipped_damage_shows_in_the_checksum() -> None:
    content = bytearray(gzip.compress(GOOD, compresslevel=0))  # stored blocks: any bit may flip without an error
    content[len(content) // 2] ^= 1
    assert _verdict(bytes(content), zipped=True) == Verdict.decoder_error
    assert _verdict(b"\x1f\x8b" + bytes(50), zipped=True) == Verdict.decoder_error


def test_a_zipped_file_of_another_kind() -> None:
    assert _verdict(gzip.compress(b"PK\3\4" + bytes(1000)), zipped=True) == Verdict.not_an_image
    assert _verdict(gzip.compress(b""), zipped=True) == Verdict.not_an_image


ZEROS = gzip.compress(bytes(100_000_000), compresslevel=1)


def _peak(action: Callable[[], object]) -> int:
    """Bytes that `action` holds at most, beside what was there before."""
    tracemalloc.start()
    try:
        with contextlib.suppress(Refused):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("at", "code", "value"),
    [
        (OFFSET, "<f", 352),  # true: the zeros lie behind the voxels
        (OFFSET, "<f", 9e7),  # the voxels are said to lie behind the zeros
        (DIM + 6, "<h", 32767),  # 1.4 megavoxels, more than allowed
        (DIM + 6, "<h", 20000),  # 0.8 megavoxels, which the zeros fill
    ],
)
def test_a_bomb_is_not_inflated(at: int, code: str, value: float) -> None:
    bomb = gzip.compress(_patched(GOOD, at=at, code=code, value=value)) + ZEROS
    assert len(bomb) < 500_000
    assert _peak(lambda: _read(bomb, zipped=True)) < 6_000_000
    assert _peak(lambda: gzip.decompress(bomb)) > 100_000_000, "else this test could not fail"


def test_a_header_claims_no_memory_for_voxels_that_are_not_there() -> None:
    liar = _patched(GOOD, at=DIM + 2, code="<h", value=32767)
    assert _verdict(liar, options=_options(max_megavoxels=1000)) == Verdict.truncated


@given(st.data())
def test_any_damage_gives_voxels_or_a_verdict(data: st.DataObject) -> None:
    zipped = data.draw(st.booleans())
    content = bytearray(gzip.compress(GOOD, mtime=0) if zipped else GOOD)
    for _ in range(data.draw(st.integers(1, 8))):
        # The header is where damage means something.
        content[data.draw(st.integers(0, 351) | st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        for voxels in _read(bytes(content), zipped=zipped, options=_options(fourth_axis="samples")):
            assert np.isfinite(voxels.values_CDHW).all()
            assert np.isfinite(voxels.affine).all()
    except Refused:
        pass


def test_no_text_of_the_header_goes_on(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    content = _bytes(_image(VALUES))
    assert content.count(CANARY) >= 3
    caplog.set_level(logging.DEBUG)
    with caplog.at_level(logging.DEBUG, logger="nibabel.global"):
        (voxels,) = _read(content)
        for at, code, value in [(252, "<h", 999), (76, "<f", 7), (80, "<f", -1.5), (OFFSET, "<f", 353)]:
            with contextlib.suppress(Refused):
                _read(_patched(content, at=at, code=code, value=value))  # nibabel has something to say about each
        with pytest.raises(Refused) as refusal:
            _read(_patched(content, at=MAGIC, code="4s", value=b"CANA"))
    out, err = capfd.readouterr()
    shown = repr(voxels.identity) + repr(voxels.flags) + repr(refusal.value) + caplog.text + out + err
    assert shown.count("CANA") == 0
    assert caplog.text == ""


def test_nibabel_would_have_logged() -> None:
    with pytest.raises(nib.spatialimages.HeaderDataError, match="CANA"):
        nib.Nifti1Image.from_bytes(_patched(GOOD, at=MAGIC, code="4s", value=b"CANA"))
