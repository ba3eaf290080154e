"""Files of several frames, as volumes and as pictures: against highdicom, SimpleITK and what was written."""

from __future__ import annotations

import io
import random
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from dicom_files import as_bytes, ct_series, enhanced, group, hounsfield, noise, radiograph
from pydicom import config, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from medtrimix.ingest.dicom.picture import read_dicom
from medtrimix.ingest.dicom.scan import SliceFacts, scan_dicom
from medtrimix.ingest.dicom.volume import read_volume
from medtrimix.ingest.grey import Window, apply_window
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.voxels import Voxels

SHAPE = (4, 10, 12)


def _options(fourth_axis: str = "refuse", *, min_slices: int = 2, channels: int = 1) -> DataOptions:
    volume = VolumeOptions.model_validate({"fourth_axis": fourth_axis, "min_slices": min_slices, "channels": channels})
    return DataOptions(source="unused", volume=volume)


def _read(data: bytes, *, options: DataOptions | None = None) -> tuple[Voxels, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in production the process is silent
        return read_volume([partial(io.BytesIO, data)], options=options or _options())


def _verdict(data: bytes, *, options: DataOptions | None = None) -> Verdict:
    with pytest.raises(Refused) as refusal:
        _read(data, options=options)
    return refusal.value.verdict


def _scan(data: bytes) -> SliceFacts:
    pseudonyms = Pseudonyms(b"1" * 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return scan_dicom(io.BytesIO(data), headless=False, options=_options(), pseudonyms=pseudonyms)


def _pictures(data: bytes, *, frames: str = "samples") -> tuple[Picture, ...]:
    options = DataOptions.model_validate({"source": "unused", "frames": frames})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_dicom(io.BytesIO(data), headless=False, options=options)


def _direction(*orientation: float) -> Dataset:
    ds = Dataset()
    ds.DiffusionGradientOrientation = list(orientation)
    return ds


@pytest.fixture
def supplemental() -> Path:
    """Two frames of enhanced CT with their rescale in functional groups, which other readers overlook."""
    pytest.importorskip("data_store", reason="pydicom-data is not installed")
    return Path(str(get_testdata_file("eCT_Supplemental.dcm", download=False)))


def test_enhanced_ct_in_hounsfield_units(supplemental: Path) -> None:
    (voxels,) = _read(supplemental.read_bytes())
    assert (voxels.values_CDHW.min(), voxels.values_CDHW.max()) == (-1024, 172)
    assert voxels.values_CDHW.dtype == np.int16
    stored = dcmread(supplemental).pixel_array.astype(int) - 1024
    assert {values.tobytes() for values in voxels.values_CDHW[0].astype(int)} == {values.tobytes() for values in stored}


def test_highdicom_agrees(supplemental: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = {"apply_voi_transform": False, "apply_palette_color_lut": False, "apply_icc_profile": False}
        volume = highdicom.imread(supplemental).get_volume(**plain)
    (voxels,) = _read(supplemental.read_bytes())
    # Highdicom's affine leads from (slice, row, column) to LPS: each of its voxels is looked up by where it lies.
    to_ras = np.diag([-1, -1, 1, 1]) @ volume.affine
    indices = np.indices(volume.array.shape).reshape(3, -1)
    ours = np.linalg.inv(voxels.affine) @ to_ras @ np.vstack([indices, np.ones(indices.shape[1])])
    column, row, place = np.rint(ours[:3]).astype(int)
    assert np.abs(ours[:3] - (column, row, place)).max() < 1e-3
    assert min(column.min(), row.min(), place.min()) == 0
    np.testing.assert_array_equal(voxels.values_CDHW[0][place, row, column], volume.array.ravel())


def test_simpleitk_agrees(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / "enhanced"
    path.write_bytes(as_bytes(enhanced(ct_series(hounsfield(SHAPE)))))
    image = sitk.ReadImage(str(path))
    (voxels,) = _read(path.read_bytes())
    np.testing.assert_array_equal(voxels.values_CDHW[0], sitk.GetArrayFromImage(image))
    lps = image.TransformIndexToPhysicalPoint((3, 4, 2))
    np.testing.assert_allclose((voxels.affine @ [3, 4, 2, 1])[:3], [-lps[0], -lps[1], lps[2]], atol=1e-4)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
def test_frames_in_any_order_make_the_volume_of_their_slices(syntax: str | None) -> None:
    values = hounsfield(SHAPE)
    slices = ct_series(values)
    ds = enhanced(random.Random(3).sample(slices, len(slices)))
    if syntax:
        ds.compress(syntax, generate_instance_uid=False)
    (voxels,) = _read(as_bytes(ds))
    np.testing.assert_array_equal(voxels.values_CDHW[0], values)
    (series,) = read_volume([partial(io.BytesIO, as_bytes(one)) for one in slices], options=_options())
    np.testing.assert_allclose(voxels.affine, series.affine)
    assert _scan(as_bytes(ds)).geometry is None


def test_each_frame_has_its_own_rescale() -> None:
    values = hounsfield(SHAPE)
    slices = ct_series(values)
    slices[2].RescaleSlope, slices[2].RescaleIntercept = 2, 5
    (voxels,) = _read(as_bytes(enhanced(slices)))
    values[2] = (values[2] + 1024) * 2 + 5
    np.testing.assert_array_equal(voxels.values_CDHW[0], values)


def _two_times() -> tuple[np.ndarray, Dataset]:
    """`(T, D, H, W)` and the object, its frames by slice, then by time."""
    values = hounsfield((2, *SHAPE))
    times = [ct_series(values[0]), ct_series(values[1])]
    slices = [times[time][place] for place in range(SHAPE[0]) for time in (1, 0)]
    groups = [group("FrameContentSequence", TemporalPositionIndex=2 - number % 2) for number in range(len(slices))]
    return values, enhanced(slices, groups=groups)


def test_time_points_are_refused_or_samples_or_channels() -> None:
    values, ds = _two_times()
    data = as_bytes(ds)
    assert _verdict(data) is Verdict.unsupported_4d
    samples = _read(data, options=_options("samples"))
    assert [voxels.frame for voxels in samples] == [0, 1]
    by_frame = [voxels.values_CDHW[0] for voxels in samples]
    np.testing.assert_array_equal(by_frame, values[::-1], err_msg="in the order of their first frame")
    (channels,) = _read(data, options=_options("channels", channels=2))
    np.testing.assert_array_equal(channels.values_CDHW, values[::-1])
    for other in (1, 3):
        assert _verdict(data, options=_options("channels", channels=other)) is Verdict.unsupported_4d


@pytest.mark.parametrize(
    "macros",
    [
        [group("MREchoSequence", EffectiveEchoTime=time) for time in (5.5, 11.0)],
        [group("MRDiffusionSequence", DiffusionBValue=value) for value in (0.0, 800.0)],
        [group("CardiacSynchronizationSequence", NominalCardiacTriggerDelayTime=time) for time in (0.0, 40.0)],
        [group("MRImageFrameTypeSequence", FrameType=["ORIGINAL", "PRIMARY", "T1", kind]) for kind in ("WATER", "FAT")],
        [
            group("MRDiffusionSequence", DiffusionGradientDirectionSequence=[direction])
            for direction in (_direction(1.0, 0.0, 0.0), _direction(0.0, 1.0, 0.0))
        ],
    ],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_frames_at_one_place_are_told_apart(macros: list[Dataset], syntax: str) -> None:
    values = hounsfield((2, *SHAPE))
    slices = [one for series in values for one in ct_series(series)]
    ds = enhanced(slices, groups=[macros[number // SHAPE[0]] for number in range(len(slices))])
    ds.file_meta.TransferSyntaxUID = syntax
    volumes = _read(as_bytes(ds), options=_options("samples"))
    np.testing.assert_array_equal([voxels.values_CDHW[0] for voxels in volumes], values)
    bare = enhanced(slices)
    assert _verdict(as_bytes(bare), options=_options("samples")) is Verdict.mixed_geometry


def test_stacks_that_lie_apart_are_no_channels() -> None:
    first, second = ct_series(hounsfield(SHAPE)), ct_series(hounsfield(SHAPE, seed=1), first_mm=(0.0, 0.0, 500.0))
    groups = [group("FrameContentSequence", StackID=str(1 + number // SHAPE[0])) for number in range(2 * SHAPE[0])]
    data = as_bytes(enhanced([*first, *second], groups=groups))
    assert len(_read(data, options=_options("samples"))) == 2
    assert _verdict(data, options=_options("channels", channels=2)) is Verdict.mixed_geometry


def test_frames_are_judged_like_slices() -> None:
    slices = ct_series(hounsfield((6, 10, 12)))
    assert _verdict(as_bytes(enhanced(slices[:2] + slices[3:]))) is Verdict.gap
    assert _verdict(as_bytes(enhanced(slices[:1]))) is Verdict.too_few_slices
    assert _verdict(as_bytes(enhanced(ct_series(hounsfield(SHAPE), shear_degrees=5)))) is Verdict.tilt
    assert _read(as_bytes(enhanced(slices)))


def test_objects_that_contradict_themselves() -> None:
    ds = enhanced(ct_series(hounsfield(SHAPE)))
    ds.NumberOfFrames = SHAPE[0] + 1
    assert _verdict(as_bytes(ds)) is Verdict.invalid_header
    ds = enhanced(ct_series(hounsfield(SHAPE)))
    del ds.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    assert _verdict(as_bytes(ds)) is Verdict.no_position


def test_a_number_of_frames_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)
    data = as_bytes(enhanced(ct_series(hounsfield(SHAPE))))
    patched = data.replace(b"IS\x02\x004 ", b"IS\x02\x001A")
    assert patched != data
    assert _verdict(patched) is Verdict.invalid_header
    with pytest.raises(Refused) as refusal:
        _pictures(patched)
    assert refusal.value.verdict is Verdict.invalid_header


def test_a_header_that_announces_too_much_is_refused_before_its_pixels() -> None:
    for frames in (10**6, 2**31 - 1):
        data = as_bytes(radiograph(noise((512, 512)), NumberOfFrames=frames))
        with pytest.raises(Refused) as refusal:
            _pictures(data)
        assert refusal.value.verdict is Verdict.too_large


def _cine(frames: np.ndarray, **elements: object) -> Dataset:
    """An ultrasound loop of grey or RGB frames."""
    ds = radiograph(frames[0], Modality="US", NumberOfFrames=len(frames), **elements)
    ds.PixelData = frames.tobytes()
    ds["PixelData"].VR = "OB"
    return ds


@pytest.mark.parametrize("shape", [(5, 8, 10), (5, 8, 10, 3)])
@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_the_frames_of_a_loop_are_pictures(shape: tuple[int, ...], syntax: str | None) -> None:
    frames = noise(shape, bits=8)
    ds = _cine(frames)
    if syntax:
        ds.compress(syntax, generate_instance_uid=False)
    pictures = _pictures(as_bytes(ds))
    np.testing.assert_array_equal([picture.array for picture in pictures], frames)
    assert [picture.frame for picture in pictures] == list(range(5))
    with pytest.raises(Refused) as refusal:
        _pictures(as_bytes(ds), frames="refuse")
    assert refusal.value.verdict is Verdict.unsupported_multiframe


def test_a_loop_that_is_shorter_than_it_says() -> None:
    ds = _cine(noise((3, 8, 10), bits=8))
    ds.compress(RLELossless, generate_instance_uid=False)
    ds.NumberOfFrames = 4
    with pytest.raises(Refused) as refusal:
        _pictures(as_bytes(ds))
    assert refusal.value.verdict in (Verdict.truncated, Verdict.decoder_error)


def test_frames_of_an_enhanced_object_are_pictures_with_their_own_rescale() -> None:
    values = hounsfield(SHAPE)
    pictures = _pictures(as_bytes(enhanced(ct_series(values))))
    window = Window(*DataOptions(source="unused").ct_window)
    truth = np.rint(255 * apply_window(values.astype(float), window=window))
    np.testing.assert_array_equal([picture.array for picture in pictures], truth)
    assert pictures[0].spacing_mm == pytest.approx((0.8, 0.7))
    assert pictures[0].spacing_origin == "patient"
    (single,) = _pictures(as_bytes(enhanced(ct_series(values)[:1])), frames="refuse")
    np.testing.assert_array_equal(single.array, truth[0])
