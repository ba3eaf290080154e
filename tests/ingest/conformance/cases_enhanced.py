"""Files that hold many slices: enhanced multi-frame objects, and others that only look like volumes."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from case import PICTURES, VOLUMES, Case, bundled
from judge import Content, Grid
from made_series import CORONAL, OBLIQUE, Edit, Lattice, enhanced, unedited
from oracles import LPS_TO_RAS, decoded_by_gdcm, decoded_by_pydicom, grid_by_itk, shown, windowed
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless

from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.verdict import Verdict

Made = Callable[[Path], tuple[Path, Content]]
Frames = Sequence[tuple[Lattice, int]]

MAKING = "its making"
_PLAIN = Lattice()
_BRIGHT = Lattice(brightness=2000)
_COUNT = _PLAIN.shape[2]
_SHUFFLED = [3, 0, 7, 5, 1, 6, 2, 4]


def _options(**volume: object) -> DataOptions:
    return VOLUMES.model_copy(update={"volume": VolumeOptions.model_validate(volume)})


SAMPLES, CHANNELS, PAIRS = (
    _options(fourth_axis="samples"), _options(fourth_axis="channels", channels=2), _options(min_slices=2))  # fmt: skip


def _frames(lattice: Lattice, places: Sequence[int] = range(_COUNT)) -> Frames:
    return [(lattice, place) for place in places]


def _made(
    frames: Frames,
    *truth: Grid,
    edit: Edit = unedited,
    change: Callable[[Dataset], None] | None = None,
    refused: Sequence[Verdict] = (),
) -> Made:
    def make(folder: Path) -> tuple[Path, Content]:
        ds = enhanced(frames, edit=edit)
        if change is not None:
            change(ds)
        ds.save_as(folder / "enhanced.dcm", enforce_file_format=True)
        return folder / "enhanced.dcm", Content(volumes=truth, refused=tuple(refused))

    return make


def _slope_by_frame(number: int, group: Dataset) -> None:
    """Intercepts that differ: one rescale for all would be wrong for all frames but one."""
    group.PixelValueTransformationSequence[0].RescaleIntercept = -1024 - 100 * number


def _temporal(number: int, group: Dataset) -> None:
    group.FrameContentSequence[0].TemporalPositionIndex = 1 + number % 2


def _stacked(number: int, group: Dataset) -> None:
    group.FrameContentSequence[0].StackID = str(1 + number // _COUNT)


def _shared_geometry(ds: Dataset) -> None:
    """What all frames have in common, said once."""
    shared = ds.SharedFunctionalGroupsSequence[0]
    for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence"):
        shared[keyword] = ds.PerFrameFunctionalGroupsSequence[0][keyword]
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group[keyword]


def _without_positions(ds: Dataset) -> None:
    for group in ds.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence


def _one_group_less(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence[-1]


def _by_itk(name: str) -> Made:
    return lambda _: (bundled(name), Content(volumes=(grid_by_itk(bundled(name)),)))


def _as_pictures(name: str) -> Made:
    """The frames of an enhanced CT, through the window of the options."""

    def make(_: Path) -> tuple[Path, Content]:
        frames = np.rint(windowed(decoded_by_gdcm(bundled(name)), 40, 400)).astype(np.uint8)
        return bundled(name), Content(pictures=tuple(frames))

    return make


def _frames_of_mr(name: str) -> Made:
    """The frames of the file that is not compressed, each with the range of its own pixels."""

    def make(_: Path) -> tuple[Path, Content]:
        twin = bundled("emri_small.dcm")
        ds = pydicom.dcmread(twin, stop_before_pixels=True)
        return bundled(name), Content(pictures=tuple(shown(frame, ds) for frame in decoded_by_pydicom(twin)))

    return make


def _refused(name: str, verdict: Verdict) -> Made:
    return lambda _: (bundled(name), Content(refused=(verdict,)))


def _philips(folder: Path) -> tuple[Path, Content]:
    """Oblique frames, all of their voxels 0: the truth is in the affine."""
    ds = pydicom.dcmread(io.BytesIO(gzip.decompress(bundled("philips_mprage.dcm.gz").read_bytes())))
    ds.NumberOfFrames = 24  # of 176: enough to see, and faster
    ds.PerFrameFunctionalGroupsSequence = ds.PerFrameFunctionalGroupsSequence[:24]
    ds.PixelData = ds.PixelData[: 24 * ds.Rows * ds.Columns * 2]
    ds.save_as(folder / "mprage.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls itself experimental
        from nibabel.nicom.dicomwrappers import wrapper_from_data

        wrapper = wrapper_from_data(ds)
    truth = Grid(np.zeros(wrapper.image_shape), LPS_TO_RAS @ wrapper.affine)
    return folder / "mprage.dcm", Content(volumes=(truth,))


def _mosaic(folder: Path) -> tuple[Path, Content]:
    path = folder / "mosaic.dcm"
    path.write_bytes(gzip.decompress(bundled("siemens_dwi_0.dcm.gz").read_bytes()))
    return path, Content(refused=(Verdict.too_few_slices,))


ENHANCED = (
    Case("enhanced CT", MAKING, _made(_frames(_PLAIN), _PLAIN.grid), VOLUMES),
    Case("frames in no order", MAKING, _made(_frames(_PLAIN, _SHUFFLED), _PLAIN.grid), VOLUMES),
    Case("rescale differs from frame to frame", MAKING, _made(
        _frames(_PLAIN), _PLAIN.grid, edit=_slope_by_frame), VOLUMES),
    Case("geometry and rescale in the shared groups", MAKING, _made(
        _frames(_PLAIN, _SHUFFLED), _PLAIN.grid, change=_shared_geometry), VOLUMES),
    Case("oblique frames", MAKING, _made(
        _frames(Lattice(orientation=OBLIQUE)), Lattice(orientation=OBLIQUE).grid), VOLUMES),
    Case("frames in RLE", MAKING, _made(
        _frames(_PLAIN), _PLAIN.grid, change=lambda ds: ds.compress(RLELossless)), VOLUMES),
    Case("frames in JPEG-LS", MAKING, _made(
        _frames(_PLAIN), _PLAIN.grid, change=lambda ds: ds.compress(JPEGLSLossless)), VOLUMES),
    Case("two time points, as samples", MAKING, _made(
        _interleaved := [pair for place in range(_COUNT) for pair in ((_PLAIN, place), (_BRIGHT, place))],
        _PLAIN.grid, _BRIGHT.grid, edit=_temporal), SAMPLES),
    Case("two time points, as channels", MAKING, _made(
        _interleaved, _PLAIN.grid, _BRIGHT.grid, edit=_temporal), CHANNELS),
    Case("two time points, while one volume is expected", "documented", _made(
        _interleaved, edit=_temporal, refused=[Verdict.unsupported_4d]), VOLUMES),
    Case("two stacks of different orientation", MAKING, _made(
        [*_frames(_PLAIN), *_frames(replace(_BRIGHT, orientation=CORONAL))],
        _PLAIN.grid, replace(_BRIGHT, orientation=CORONAL).grid, edit=_stacked), SAMPLES),
    Case("a frame is missing", MAKING, _made(
        _frames(_PLAIN, [0, 1, 2, 3, 5, 6, 7]), refused=[Verdict.gap]), VOLUMES),
    Case("frames without positions", MAKING, _made(
        _frames(_PLAIN), change=_without_positions, refused=[Verdict.no_position]), VOLUMES),
    Case("fewer functional groups than frames", MAKING, _made(
        _frames(_PLAIN), change=_one_group_less, refused=[Verdict.invalid_header]), VOLUMES),
    Case("real enhanced CT, rescale in functional groups (eCT_Supplemental)", "SimpleITK", _by_itk(
        "eCT_Supplemental.dcm"), PAIRS),
    Case("the same, two frames being no volume", "documented", _refused(
        "eCT_Supplemental.dcm", Verdict.too_few_slices), VOLUMES),
    Case("the same, as pictures", "GDCM's values, pydicom's window", _as_pictures("eCT_Supplemental.dcm"), PICTURES),
    Case("real enhanced MR, oblique (philips_mprage)", "nibabel's affine", _philips, VOLUMES),
    Case("Siemens mosaic (siemens_dwi_0)", "documented: not unpacked", _mosaic, VOLUMES),
    Case("ten frames of MR (emri_small)", "pydicom, numpy's percentiles", _frames_of_mr("emri_small.dcm"), PICTURES),
    Case("the same, big endian", "uncompressed twin", _frames_of_mr("emri_small_big_endian.dcm"), PICTURES),
    Case("the same, RLE", "uncompressed twin", _frames_of_mr("emri_small_RLE.dcm"), PICTURES),
    Case("the same, JPEG-LS", "uncompressed twin", _frames_of_mr("emri_small_jpeg_ls_lossless.dcm"), PICTURES),
    Case("the same, JPEG 2000", "uncompressed twin", _frames_of_mr("emri_small_jpeg_2k_lossless.dcm"), PICTURES),
    Case("the same, cut (emri_small_jpeg_2k_lossless_too_short)", "pydicom and GDCM fail", _refused(
        "emri_small_jpeg_2k_lossless_too_short.dcm", Verdict.truncated), PICTURES),
    Case("frames of which nothing says where they lie (emri_small)", "its header", _refused(
        "emri_small.dcm", Verdict.no_position), VOLUMES),
)  # fmt: skip
