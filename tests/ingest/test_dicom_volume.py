"""Slices of a series to voxels: values and geometry against what was written, SimpleITK and dicom2nifti."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from dicom_files import AXIAL, as_bytes, ct_series, hounsfield, write
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from medtrimix.ingest.dicom.scan import scan_dicom
from medtrimix.ingest.dicom.series import assemble
from medtrimix.ingest.dicom.volume import SliceRefused, read_volume
from medtrimix.ingest.fit.volume import fitted_volume
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.grey import Window
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels

OPTIONS = DataOptions(source="unused", volume=VolumeOptions())
CORONAL_OBLIQUE = (1.0, 0.0, 0.0, 0.0, 0.6, -0.8)


def _openers(slices: Sequence[Dataset | bytes]) -> list[Callable[[], BinaryIO]]:
    return [partial(io.BytesIO, one if isinstance(one, bytes) else as_bytes(one)) for one in slices]


def _read(slices: Sequence[Dataset | bytes], *, options: DataOptions = OPTIONS) -> Voxels:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in production the process is silent
        (voxels,) = read_volume(_openers(slices), options=options)
    return voxels


def _from_folder(folder: Path) -> Voxels:
    """Scanned, assembled and read."""
    files = [partial(open, path, "rb") for path in sorted(folder.iterdir())]
    facts = []
    for open_file in files:
        with open_file() as file:
            facts.append(scan_dicom(file, headless=False, options=OPTIONS, pseudonyms=Pseudonyms(b"1" * 32)))
    (volume,) = assemble(facts, options=OPTIONS).volumes
    (voxels,) = read_volume([files[position] for position in volume], options=OPTIONS)
    return voxels


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(6)))
def test_any_names_and_numbers_give_the_same_volume(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    values, folder = hounsfield(), tmp_path_factory.mktemp("series")
    for place, ds in enumerate(ct_series(values)):
        ds.InstanceNumber = order[place]
        write(ds, folder / f"{order[place]}.dcm")
    voxels = _from_folder(folder)
    np.testing.assert_array_equal(voxels.values_CDHW[0], values)
    assert voxels.identity.instance_uid == "1.2.3.4.5.1"


def test_hounsfield_units_are_whole_numbers() -> None:
    values = hounsfield()
    voxels = _read(ct_series(values))
    assert voxels.values_CDHW.dtype == np.int16
    np.testing.assert_array_equal(voxels.values_CDHW[0], values)
    assert (voxels.modality, voxels.encoding, voxels.padded_DHW) == ("CT", "explicit_le", None)
    assert voxels.spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    assert "MRN" not in repr(voxels.identity)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL_OBLIQUE, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)])
def test_the_affine_leads_to_where_the_slices_lie(orientation: tuple[float, ...]) -> None:
    affine = _read(ct_series(hounsfield(), orientation=orientation, first_mm=(5.0, -7.0, 11.0))).affine
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    # PS3.3 C.7.6.2.1.1, for column 3, row 4, slice 2; the sign of the first two turns LPS to RAS.
    lps = np.array([5.0, -7.0, 11.0]) + 3 * 0.7 * row + 4 * 0.8 * column + 2 * 2.5 * np.cross(row, column)
    np.testing.assert_allclose(affine @ [3, 4, 2, 1], [-lps[0], -lps[1], lps[2], 1], atol=1e-5)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL_OBLIQUE])
def test_simpleitk_agrees(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    sitk = pytest.importorskip("SimpleITK")
    order = random.Random(0).sample(range(6), 6)
    for place, ds in enumerate(ct_series(hounsfield(), orientation=orientation)):
        write(ds, tmp_path / f"{order[place]}.dcm")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    voxels = _from_folder(tmp_path)
    np.testing.assert_array_equal(voxels.values_CDHW[0], sitk.GetArrayFromImage(image))
    for index in ((0, 0, 0), (3, 4, 5)):
        lps = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((voxels.affine @ [*index, 1])[:3], [-lps[0], -lps[1], lps[2]], atol=1e-4)


def test_dicom2nifti_agrees() -> None:
    common = pytest.importorskip("dicom2nifti.common")
    slices = ct_series(hounsfield(), orientation=CORONAL_OBLIQUE)
    affine, _ = common.create_affine(slices)
    np.testing.assert_allclose(_read(slices).affine, affine, atol=1e-4)


def test_each_slice_of_pet_has_its_own_slope(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    slices = ct_series(hounsfield(), Modality="PT", RescaleIntercept=0)
    stored = [np.frombuffer(ds.PixelData, np.uint16).reshape(12, 16) for ds in slices]
    for number, ds in enumerate(slices):
        ds.RescaleSlope = 0.25 + 0.125 * number
    voxels = _read(slices)
    assert voxels.values_CDHW.dtype == np.float32
    assert voxels.window is None
    truth = np.stack([values * (0.25 + 0.125 * number) for number, values in enumerate(stored)])
    np.testing.assert_allclose(voxels.values_CDHW[0], truth, rtol=1e-6)
    paths = [str(write(ds, tmp_path / f"{number}.dcm")) for number, ds in enumerate(slices)]
    np.testing.assert_allclose(
        voxels.values_CDHW[0],
        np.concatenate([sitk.GetArrayFromImage(sitk.ReadImage(path)) for path in paths]),
        rtol=1e-6,
    )


def test_the_type_grows_with_the_values_and_keeps_what_was_there() -> None:
    values = hounsfield((4, 8, 8))
    for slope, kind in ((1, np.int16), (40, np.int32), (0.5, np.float32)):
        slices = ct_series(values)
        slices[2].RescaleSlope = slope
        voxels = _read(slices).values_CDHW[0]
        assert voxels.dtype == kind
        truth = values.astype(np.float64)
        truth[2] = (truth[2] + 1024) * slope - 1024
        np.testing.assert_array_equal(voxels, truth)


@pytest.mark.parametrize(("slope", "intercept"), [("1e38", "0"), ("-1e38", "0")])
def test_values_beyond_all_types_are_refused(slope: str, intercept: str) -> None:
    slices = ct_series(hounsfield((3, 4, 4)), RescaleSlope=slope, RescaleIntercept=intercept)
    with pytest.raises(Refused) as refusal:
        _read(slices)
    assert refusal.value.verdict is Verdict.not_finite


def test_bits_that_are_not_theirs_and_signs() -> None:
    slices = ct_series(hounsfield((3, 4, 4)), BitsStored=12, HighBit=11, PixelRepresentation=1, RescaleIntercept=-24)
    for ds in slices:  # -1 in 12 bits, beneath overlay bits
        ds.PixelData = np.full((4, 4), 0x3FFF, np.uint16).tobytes()
    assert np.unique(_read(slices).values_CDHW).tolist() == [-25]


def test_padding_is_known_by_its_stored_value() -> None:
    values = hounsfield((3, 8, 8))
    values[values == -1024] = 0
    values[1, :2] = -1024
    voxels = _read(ct_series(values, PixelPaddingValue=0))
    assert voxels.padded_DHW is not None
    np.testing.assert_array_equal(voxels.padded_DHW, values == -1024)
    assert voxels.padded_DHW.sum() == 16
    assert _read(ct_series(values, PixelPaddingValue=9999)).padded_DHW is None


def test_slices_of_several_encodings() -> None:
    values = hounsfield((5, 64, 64))
    slices = ct_series(values)
    for ds, syntax in zip(slices[1:], (JPEG2000Lossless, JPEGLSLossless, RLELossless), strict=False):
        ds.compress(syntax, generate_instance_uid=False)
    slices[4].file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    slices[4].PixelData = np.frombuffer(slices[4].PixelData, "<u2").astype(">u2").tobytes()
    np.testing.assert_array_equal(_read(slices).values_CDHW[0], values)


def test_inverted_grey_is_said_and_left_alone() -> None:
    values = hounsfield((3, 4, 4))
    voxels = _read(ct_series(values, PhotometricInterpretation="MONOCHROME1"))
    assert voxels.inverted
    np.testing.assert_array_equal(voxels.values_CDHW[0], values)
    assert not _read(ct_series(values)).inverted


@pytest.mark.parametrize(
    ("modality", "window_hu", "expected"),
    [
        ("CT", None, Window(40, 400)),
        ("CT", (-100.0, 300.0), Window(100, 400, "LINEAR_EXACT")),
        ("MR", (-100.0, 300.0), None),
    ],
)
def test_windows(modality: str, window_hu: tuple[float, float] | None, expected: Window | None) -> None:
    options = DataOptions(source="unused", volume=VolumeOptions(window_hu=window_hu))
    assert _read(ct_series(hounsfield((3, 4, 4)), Modality=modality), options=options).window == expected


@pytest.mark.parametrize(
    ("elements", "flag"),
    [
        ({"BodyPartExamined": "HEAD"}, Flag.head),
        ({"BodyPartExamined": "HEAD NECK"}, Flag.head),
        ({"BurnedInAnnotation": "YES"}, Flag.burned_in_text),
        ({"LossyImageCompression": "01"}, Flag.lossy),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, Flag.secondary_capture),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, Flag.secondary_capture),
        ({"PresentationIntentType": "FOR PROCESSING"}, Flag.for_processing),
    ],
)
def test_a_flag_of_any_slice_is_one_of_the_volume(elements: dict[str, object], flag: Flag) -> None:
    slices = ct_series(hounsfield((3, 4, 4)), BodyPartExamined="CHEST", ImageType=["DERIVED", "SECONDARY", "AXIAL"])
    assert _read(slices).flags == ()
    for keyword, value in elements.items():
        setattr(slices[1], keyword, value)
    assert _read(slices).flags == (flag,)


def test_modalities_are_defined_terms() -> None:
    assert _read(ct_series(hounsfield((3, 4, 4)), Modality="CANARY")).modality == "OT"
    assert _read(ct_series(hounsfield((3, 4, 4)), Modality="MR")).modality == "MR"


def test_copies_at_one_position_are_counted_and_other_pixels_refused() -> None:
    values = hounsfield((3, 4, 4))
    slices = ct_series(values)
    copy = ct_series(values)[1]
    voxels = _read([slices[0], slices[1], copy, slices[2]])
    np.testing.assert_array_equal(voxels.values_CDHW[0], values)
    assert voxels.duplicates == (2,)
    assert voxels.spacing_mm[0] == pytest.approx(2.5)
    values[1, 0, 0] += 1
    with pytest.raises(Refused) as refusal:
        _read([slices[0], slices[1], ct_series(values)[1], slices[2]])
    assert refusal.value.verdict is Verdict.mixed_geometry
    assert not isinstance(refusal.value, SliceRefused)


@pytest.mark.parametrize(
    "change", [{"Rows": 2, "Columns": 8}, {"PixelSpacing": [9, 9]}, {"PresentationLUTShape": "INVERSE"}]
)
def test_a_slice_that_changed_since_its_scan(change: dict[str, object]) -> None:
    slices = ct_series(hounsfield((3, 4, 4)))
    for keyword, value in change.items():
        setattr(slices[1], keyword, value)
    with pytest.raises(Refused) as refusal:
        _read(slices)
    assert refusal.value.verdict is Verdict.mixed_geometry


def test_the_slice_that_can_not_be_read_is_named() -> None:
    slices: list[Dataset | bytes] = list(ct_series(hounsfield((3, 16, 16))))
    slices[1] = as_bytes(slices[1])[:-40]  # type: ignore[arg-type]
    with pytest.raises(SliceRefused) as refusal:
        _read(slices)
    assert (refusal.value.position, refusal.value.verdict) == (1, Verdict.truncated)


def test_a_file_that_is_gone() -> None:
    files = _openers(ct_series(hounsfield((3, 4, 4))))
    files[2] = partial(open, "/nowhere/to/be/found", "rb")
    with pytest.raises(SliceRefused) as refusal:
        read_volume(files, options=OPTIONS)
    assert (refusal.value.position, refusal.value.verdict) == (2, Verdict.unreadable)


def test_the_cap_is_kept_before_room_is_made() -> None:
    options = OPTIONS.model_copy(update={"max_megavoxels": 3 * 16 / 1e6 - 1e-9})
    with pytest.raises(Refused) as refusal:
        _read(ct_series(hounsfield((3, 4, 4))), options=options)
    assert refusal.value.verdict is Verdict.too_large


def test_one_slice_takes_its_thickness() -> None:
    assert _read(ct_series(hounsfield((1, 4, 4)))).spacing_mm == pytest.approx((2.5, 0.8, 0.7))


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_inverted_grey_is_turned_where_it_is_shown(modality: str) -> None:
    values = hounsfield((8, 8, 8))
    options = DataOptions(source="unused", volume=VolumeOptions(size=(8, 8, 8), spacing_mm=(2.5, 0.8, 0.7)))
    plain, turned = (
        fitted_volume(_read(ct_series(values, Modality=modality, PhotometricInterpretation=kind)), options=options)[0]
        for kind in ("MONOCHROME2", "MONOCHROME1")
    )
    assert plain.array.std() > 50
    np.testing.assert_allclose(turned.array.astype(int), 255 - plain.array.astype(int), atol=1)
