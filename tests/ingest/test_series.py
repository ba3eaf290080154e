"""Slices to volumes by geometry alone; each refusal has a neighbour that is accepted."""

from __future__ import annotations

import io
import pickle
import random
import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from dicom_files import CANARIES, as_bytes, ct_series, enhanced, hounsfield, noise, radiograph
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from medtrimix.ingest.dicom.scan import SliceFacts, scan_dicom
from medtrimix.ingest.dicom.series import Assembly, assemble
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.verdict import Refused, Verdict

OPTIONS = DataOptions(source="unused", volume=VolumeOptions())
PSEUDONYMS = Pseudonyms(b"\x01" * 32)


def _scan(ds: Dataset, *, options: DataOptions = OPTIONS) -> SliceFacts:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in production the process is silent
        return scan_dicom(io.BytesIO(as_bytes(ds)), headless=False, options=options, pseudonyms=PSEUDONYMS)


def _verdict(ds: Dataset) -> Verdict:
    with pytest.raises(Refused) as refusal:
        _scan(ds)
    return refusal.value.verdict


def _assembled(slices: Sequence[Dataset], *, options: DataOptions = OPTIONS) -> Assembly:
    return assemble([_scan(ds) for ds in slices], options=options)


def _refused(slices: Sequence[Dataset]) -> set[Verdict]:
    """The verdicts on slices none of which is accepted."""
    assembly = _assembled(slices)
    assert not assembly.volumes
    assert len(assembly.refused) == len(slices)
    return set(assembly.refused.values())


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.lists(st.integers(-5, 5), min_size=6, max_size=6))
def test_the_order_of_files_and_their_numbers_mean_nothing(order: list[int], numbers: list[int]) -> None:
    slices = ct_series(hounsfield())
    for ds, number in zip(slices, numbers, strict=True):
        ds.InstanceNumber = number
        ds.SliceLocation = -number
    assembly = _assembled([slices[place] for place in order])
    (volume,) = assembly.volumes
    assert [order[position] for position in volume] == list(range(6))
    assert assembly.refused == {}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(0.5, 0.3, 0.3), (2.5, 0.8, 0.7)]))
def test_rounding_of_positions_and_directions_breaks_nothing(seed: int, spacing: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    slices = ct_series(hounsfield(), spacing_mm=spacing, orientation=tuple(axes[:, :2].T.ravel().round(6).tolist()))
    for ds in slices:
        ds.ImagePositionPatient = (np.array(ds.ImagePositionPatient) + rng.uniform(-1e-3, 1e-3, 3)).round(6).tolist()
        ds.ImageOrientationPatient = (
            (np.array(ds.ImageOrientationPatient) + rng.uniform(-1e-5, 1e-5, 6)).round(7).tolist()
        )
    assert _assembled(slices).volumes == (tuple(range(6)),)


def test_directions_at_the_edge_of_a_rounding_step_stay_together() -> None:
    slices = ct_series(hounsfield())
    for number, ds in enumerate(slices):  # 0.0005 would be rounded to 0.000 or to 0.001
        ds.ImageOrientationPatient = [1, 0.000499 + 2e-6 * (number % 2), 0, 0, 1, 0]
    assert len(_assembled(slices).volumes) == 1


def test_a_missing_slice_is_a_gap() -> None:
    slices = ct_series(hounsfield())
    assert _refused(slices[:2] + slices[3:]) == {Verdict.gap}
    assert len(_assembled(slices[1:]).volumes) == 1, "nothing shows that the first is missing"


@pytest.mark.parametrize(("share", "accepted"), [(0.008, True), (0.012, False), (-0.012, False)])
def test_distances_may_differ_by_one_percent(share: float, accepted: bool) -> None:
    slices = ct_series(hounsfield(), spacing_mm=(5.0, 1.0, 1.0))
    slices[-1].ImagePositionPatient[2] += share * 5
    assert len(_assembled(slices).volumes) == accepted
    assert accepted or _refused(slices) == {Verdict.gap}


@pytest.mark.parametrize(("degrees", "accepted"), [(0.0, True), (0.08, True), (0.12, False), (-15.0, False)])
def test_gantry_tilt(degrees: float, accepted: bool) -> None:
    slices = ct_series(hounsfield((20, 8, 8)), shear_degrees=degrees)
    assert len(_assembled(slices).volumes) == accepted
    assert accepted or _refused(slices) == {Verdict.tilt}


def test_a_slice_beside_the_others_is_sheared() -> None:
    slices = ct_series(hounsfield())
    slices[3].ImagePositionPatient[0] += 3
    assert _refused(slices) == {Verdict.tilt}


def test_too_few_slices() -> None:
    slices = ct_series(hounsfield((3, 4, 4)))
    assert len(_assembled(slices).volumes) == 1
    assert _refused(slices[:2]) == {Verdict.too_few_slices}
    one = DataOptions(source="unused", volume=VolumeOptions(min_slices=1))
    assert _assembled(slices[:1], options=one).volumes == ((0,),)


def test_a_volume_above_the_cap() -> None:
    slices = ct_series(hounsfield((4, 100, 100)))
    facts = [_scan(ds) for ds in slices]
    large = assemble(facts, options=OPTIONS.model_copy(update={"max_megavoxels": 0.0399}))
    assert set(large.refused.values()) == {Verdict.too_large}
    assert assemble(facts, options=OPTIONS.model_copy(update={"max_megavoxels": 0.04})).volumes


def test_what_lies_among_the_slices_goes_apart() -> None:
    first, second = ct_series(hounsfield()), ct_series(hounsfield(seed=1), SeriesInstanceUID="1.2.3.4.6")
    turned = ct_series(hounsfield((4, 12, 16)), orientation=(0, 1, 0, 0, 0, -1))
    coarse = ct_series(hounsfield((4, 12, 16)), spacing_mm=(2.5, 1.6, 1.4))
    other_patient = ct_series(hounsfield((3, 12, 16)), PatientID="MRN0002")
    for name, group in {"7": second, "8": turned, "9": coarse, "10": other_patient}.items():
        for ds in group:
            ds.SOPInstanceUID += f".{name}"
    mixed = [*first, *second, *turned, *coarse, *other_patient]
    order = list(range(len(mixed)))
    random.Random(0).shuffle(order)
    assembly = _assembled([mixed[place] for place in order])
    volumes = {tuple(order[position] for position in volume) for volume in assembly.volumes}
    ends = [0, 6, 12, 16, 20, 23]
    assert volumes == {tuple(range(start, end)) for start, end in pairwise(ends)}
    assert not assembly.refused


def test_copies_of_a_folder_are_duplicates() -> None:
    slices = ct_series(hounsfield())
    assembly = _assembled([*slices, *reversed(slices)])
    assert assembly.volumes == (tuple(range(6)),)
    assert assembly.refused == dict.fromkeys(range(6, 12), Verdict.duplicate)


def test_one_instance_uid_for_all_slices_loses_none() -> None:
    assert len(_assembled(ct_series(hounsfield(), SOPInstanceUID="1.2.3")).volumes[0]) == 6


def _repeated(times: int, **elements: Sequence[object]) -> list[Dataset]:
    """Slices that come `times` times, each time with the next of the values."""
    repeated = []
    for time in range(times):
        own = {keyword: values[time] for keyword, values in elements.items()}
        for ds in ct_series(hounsfield((4, 8, 8), seed=time), **own):
            ds.SOPInstanceUID += f".{time}"
            repeated.append(ds)
    return repeated


@pytest.mark.parametrize(
    ("elements", "times"),
    [
        ({"AcquisitionNumber": [1, 2]}, 2),
        ({"EchoTime": [10.5, 21.0, 31.5]}, 3),
        ({"TemporalPositionIdentifier": [3, 1, 2]}, 3),
        ({"FrameReferenceTime": [500.5, 1500.5]}, 2),
        ({"DiffusionBValue": [0.0, 1000.0]}, 2),
        (
            {"DiffusionBValue": [0.0, 1e3, 1e3], "DiffusionGradientOrientation": [[0.0] * 3, [1.0, 0, 0], [0, 1.0, 0]]},
            3,
        ),
        ({"EchoTime": [1, 1, 2, 2], "TemporalPositionIdentifier": [1, 2, 1, 2]}, 4),
        ({"ImageType": [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]]}, 2),
    ],
)
def test_repetitions_are_told_apart(elements: dict[str, list[object]], times: int) -> None:
    slices = _repeated(times, **elements)
    order = list(range(len(slices)))
    random.Random(1).shuffle(order)
    assembly = _assembled([slices[place] for place in order])
    volumes = sorted(tuple(order[position] for position in volume) for volume in assembly.volumes)
    assert volumes == [tuple(range(4 * time, 4 * time + 4)) for time in range(times)]


def test_numbers_that_differ_from_slice_to_slice_tear_nothing_apart() -> None:
    slices = ct_series(hounsfield())
    for number, ds in enumerate(slices):
        ds.AcquisitionNumber = number
    assert len(_assembled(slices).volumes) == 1
    twice = _repeated(2)
    for number, ds in enumerate(twice):  # 0 1 2 3 for the first time, 4 5 6 7 for the second
        ds.AcquisitionNumber = number
    assert _assembled(twice).volumes == ((0, 1, 2, 3), (4, 5, 6, 7))


def test_acquisitions_that_overlap() -> None:
    slices = ct_series(hounsfield((8, 8, 8)))
    chest, abdomen = slices[:5], ct_series(hounsfield((8, 8, 8), seed=1))[4:]
    for number, part in enumerate((chest, abdomen)):
        for ds in part:
            ds.AcquisitionNumber = number
            ds.SOPInstanceUID += f".{number}"
    assert _assembled([*chest, *abdomen]).volumes == ((0, 1, 2, 3, 4), (5, 6, 7, 8))


def test_heart_phases_with_times_of_their_own() -> None:
    slices = _repeated(3)
    for number, ds in enumerate(slices):
        ds.TriggerTime = 100 * (number // 4) + 7 * (number % 4)
    assert _assembled(slices).volumes == ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11))


def test_what_nothing_tells_apart_is_left_to_the_pixels() -> None:
    slices = ct_series(hounsfield((3, 4, 4)))
    again = ct_series(hounsfield((3, 4, 4)))[1]
    again.SOPInstanceUID += ".1"
    assert _assembled([*slices, again]).volumes == ((0, 1, 3, 2),)
    again.ImagePositionPatient[0] += 5
    assert _refused([*slices, again]) == {Verdict.mixed_geometry}


@pytest.mark.parametrize(
    ("elements", "verdict"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, Verdict.localizer),
        ({"ImagePositionPatient": None}, Verdict.no_position),
        ({"ImageOrientationPatient": None}, Verdict.no_position),
        ({"NumberOfFrames": 3}, Verdict.no_position),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, Verdict.invalid_header),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, Verdict.invalid_header),
        ({"PixelSpacing": [0, 1]}, Verdict.invalid_header),
        ({"SeriesInstanceUID": ""}, Verdict.invalid_header),
        ({"Modality": "RTDOSE"}, Verdict.not_an_image),
        ({"Rows": 60000, "Columns": 60000}, Verdict.too_large),
    ],
)
def test_slices_that_belong_to_no_volume(elements: dict[str, object], verdict: Verdict) -> None:
    (ds,) = ct_series(hounsfield((1, 4, 4)))
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    assert _verdict(ds) is verdict


def test_pictures_are_no_volume() -> None:
    assert _verdict(radiograph(noise())) is Verdict.no_volume
    assert _verdict(radiograph(np.zeros((4, 4, 3), np.uint8))) is Verdict.no_volume


def test_a_file_of_several_frames_is_a_volume_by_itself() -> None:
    whole = enhanced(ct_series(hounsfield()))
    single = ct_series(hounsfield((3, 12, 16)))
    assembly = _assembled([single[2], whole, single[0], single[1], whole])
    assert assembly.volumes == ((2, 3, 0), (1,))
    assert assembly.refused == {4: Verdict.duplicate}


def test_facts_are_small_and_say_nothing() -> None:
    facts = _scan(ct_series(hounsfield((1, 4, 4)), ImageType=["CANARY", "MRN0001", "AXIAL"])[0])
    sent = pickle.dumps(facts)
    assert len(sent) < 700
    for canary in (*CANARIES, "1.2.3"):
        assert canary.encode() not in sent
        assert canary not in repr(facts)


def test_slices_that_turn_slowly_are_no_stack() -> None:
    slices = ct_series(hounsfield((12, 4, 4)))
    for number, ds in enumerate(slices):  # each within the tolerance of its neighbour
        angle = 8e-4 * number
        ds.ImageOrientationPatient = [1, 0, 0, 0, round(float(np.cos(angle)), 9), round(float(np.sin(angle)), 9)]
    assert _refused(slices) == {Verdict.mixed_geometry}
