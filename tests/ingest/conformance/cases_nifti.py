"""NIfTI: data types, byte orders, scaling, the two ways to say where a voxel lies, the fourth axis, and damage."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from case import PICTURES, VOLUMES, Case, bundled
from cases_enhanced import CHANNELS, SAMPLES
from judge import Array, Content, Grid
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from nibabel.nifti2 import Nifti2Image
from oracles import grids_by_nibabel

from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.verdict import Verdict

Made = Callable[[Path], tuple[Path, Content]]

NIBABEL = "nibabel"
MAKING = "its making"
_VALUES = np.arange(6 * 5 * 4).reshape((6, 5, 4), order="F") - 20
_ROTATED = np.array([[0.8, -0.72, 0, -40], [0.6, 0.96, 0, 25.5], [0, 0, 3, -7.25], [0, 0, 0, 1]])
_MIRRORED = np.diag([-1.0, 1.0, 1.0, 1.0]) @ _ROTATED
_FOUR = np.stack([_VALUES, _VALUES + 500], axis=-1)


def _image(values: Array, affine: Array | None = _ROTATED, *, scale: tuple[float, float] = (1, 0)) -> Nifti1Image:
    image = Nifti1Image(values, affine, dtype=values.dtype)  # without the type, nibabel refuses int64
    image.header.set_slope_inter(*scale)
    return image


def _saved(image: Nifti1Image, *truth: Grid, name: str = "a.nii", refused: tuple[Verdict, ...] = ()) -> Made:
    def make(folder: Path) -> tuple[Path, Content]:
        nibabel.save(image, folder / name)
        return folder / name, Content(volumes=truth, refused=refused)

    return make


def _typed(dtype: str) -> Made:
    values = (_VALUES % 200 - (0 if dtype.startswith("u") else 100)).astype(dtype)
    return _saved(_image(values), Grid(values, _ROTATED))


def _scaled(slope: float, intercept: float) -> Made:
    """Stored integers, written with their slope and intercept in the header as they are."""

    def make(folder: Path) -> tuple[Path, Content]:
        path = folder / "a.nii"
        nibabel.save(_image(_VALUES.astype(np.int16)), path)
        data = bytearray(path.read_bytes())
        data[112:120] = np.array([slope, intercept], "<f4").tobytes()
        path.write_bytes(data)
        return path, Content(volumes=grids_by_nibabel(path), tolerance=1e-4)

    return make


def _coded(*, sform: int, qform: int) -> Made:
    """Two affines of the same spacing, of which the codes say which one holds."""

    def make(folder: Path) -> tuple[Path, Content]:
        image = _image(_VALUES.astype(np.int16))
        image.header.set_qform(np.diag([1, 1.2, 3, 1]) + np.eye(4, k=3) * 9, code=qform)
        image.header.set_sform(_ROTATED, code=sform)
        path = folder / "a.nii"
        nibabel.save(image, path)
        return path, Content(volumes=grids_by_nibabel(path))

    return make


def _other_spacing(folder: Path) -> tuple[Path, Content]:
    """The sform says all that there is to say (NIfTI-1, method 3); pixdim belongs to the qform."""
    image = _image(_VALUES.astype(np.int16))
    image.header["pixdim"][1:4] = 2, 3, 4
    nibabel.save(image, folder / "a.nii")
    return folder / "a.nii", Content(volumes=(Grid(_VALUES, _ROTATED),))


def _big_endian(folder: Path) -> tuple[Path, Content]:
    header = Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    path = folder / "a.nii"
    nibabel.save(Nifti1Image(_VALUES.astype(">i2"), _ROTATED, header), path)
    return path, Content(volumes=(Grid(_VALUES, _ROTATED),))


def _metres(folder: Path) -> tuple[Path, Content]:
    image = _image(_VALUES.astype(np.int16), np.diag([0.001, 0.001, 0.003, 1]))
    image.header.set_xyzt_units("meter")
    nibabel.save(image, folder / "a.nii")
    return folder / "a.nii", Content(volumes=(Grid(_VALUES, np.diag([1.0, 1, 3, 1])),))


def _damaged(damage: Callable[[bytes], bytes], verdict: Verdict, *, name: str = "a.nii") -> Made:
    def make(folder: Path) -> tuple[Path, Content]:
        whole = folder.parent / f"whole-{folder.name}.nii"
        nibabel.save(_image(_VALUES.astype(np.int16)), whole)
        (folder / name).write_bytes(damage(whole.read_bytes()))
        whole.unlink()
        return folder / name, Content(refused=(verdict,))

    return make


def _claims(size: int) -> Callable[[bytes], bytes]:
    """A header that says that every axis has `size` voxels."""
    return lambda data: data[:42] + np.array([size] * 3, "<i2").tobytes() + data[48:]


def _real(name: str) -> Made:
    # Scaled values are float32, nibabel's are float64.
    return lambda _: (bundled(name), Content(volumes=grids_by_nibabel(bundled(name)), tolerance=1e-3))


def _case(name: str, make: Made, *, truth_from: str = MAKING, options: DataOptions = VOLUMES) -> Case:
    return Case(name, truth_from, make, options)


_NOT_FINITE = np.where(_VALUES == 3, np.nan, _VALUES).astype(np.float32)
_INFINITE = np.where(_VALUES == 3, np.inf, _VALUES).astype(np.float64)
_COLOURS = np.stack([_VALUES + 20, _VALUES + 40, _VALUES + 60], axis=-1).astype(np.uint8)

NIFTI = (
    *(_case(f"NIfTI, {dtype}", _typed(dtype), truth_from=NIBABEL)
      for dtype in ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64")),
    _case("big endian", _big_endian),
    _case("gzip", _saved(_image(_VALUES.astype(np.int16)), Grid(_VALUES, _ROTATED), name="a.nii.gz")),
    _case("NIfTI-2", _saved(Nifti2Image(_VALUES.astype(np.int16), _ROTATED), Grid(_VALUES, _ROTATED))),
    _case("scl_slope and scl_inter", _scaled(0.5, -1000), truth_from=NIBABEL),
    _case("scl_slope 0: no scaling", _scaled(0, 7), truth_from=NIBABEL),
    _case("scl_slope NaN: no scaling", _scaled(float("nan"), 7), truth_from=NIBABEL),
    _case("negative scl_slope", _scaled(-2, 10), truth_from=NIBABEL),
    _case("sform before qform", _coded(sform=1, qform=1), truth_from=NIBABEL),
    _case("qform alone", _coded(sform=0, qform=1), truth_from=NIBABEL),
    _case("sform alone", _coded(sform=2, qform=0), truth_from=NIBABEL),
    _case("neither sform nor qform", _coded(sform=0, qform=0), truth_from=NIBABEL),
    _case("pixdim contradicts the sform", _other_spacing),
    _case("mirrored axes (negative determinant)", _saved(
        _image(_VALUES.astype(np.int16), _MIRRORED), Grid(_VALUES, _MIRRORED))),
    _case("units of metres", _metres),
    _case("fourth axis, as samples", _saved(
        _image(_FOUR.astype(np.int16)), Grid(_VALUES, _ROTATED), Grid(_VALUES + 500, _ROTATED)), options=SAMPLES),
    _case("fourth axis, as channels", _saved(
        _image(_FOUR.astype(np.int16)), Grid(_VALUES, _ROTATED), Grid(_VALUES + 500, _ROTATED)),
        options=CHANNELS),
    _case("fourth axis, while one volume is expected", _saved(
        _image(_FOUR.astype(np.int16)), refused=(Verdict.unsupported_4d,)), truth_from="documented"),
    _case("fourth axis of length 1", _saved(_image(_FOUR[..., :1].astype(np.int16)), Grid(_VALUES, _ROTATED))),
    _case("a volume, while pictures are expected", _saved(
        _image(_VALUES.astype(np.int16)), refused=(Verdict.is_volume,)), truth_from="documented", options=PICTURES),
    _case("a single slice", _saved(
        _image(_VALUES[..., :1].astype(np.int16)), refused=(Verdict.too_few_slices,)), truth_from="documented"),
    _case("NaN", _saved(_image(_NOT_FINITE), refused=(Verdict.not_finite,)), truth_from="documented"),
    _case("infinity", _saved(_image(_INFINITE), refused=(Verdict.not_finite,)), truth_from="documented"),
    _case("complex numbers", _saved(
        _image(_VALUES.astype(np.complex64)), refused=(Verdict.unsupported_pixels,)), truth_from="documented"),
    _case("NIfTI, cut", _damaged(lambda data: data[:-10], Verdict.truncated)),
    _case("NIfTI, cut in the header", _damaged(lambda data: data[:200], Verdict.truncated)),
    _case("gzip, cut", _damaged(lambda data: gzip.compress(data)[:-30], Verdict.truncated, name="a.nii.gz")),
    _case("gzip with a wrong checksum", _damaged(
        lambda data: gzip.compress(data)[:-8] + bytes(8), Verdict.decoder_error, name="a.nii.gz")),
    _case("27 billion voxels in 600 bytes", _damaged(_claims(3000), Verdict.too_large)),
    _case("an axis of length -1", _damaged(_claims(-1), Verdict.invalid_header)),
    _case("real structural MR, big endian (anatomical)", _real("anatomical.nii"), truth_from=NIBABEL),
    _case("real functional MR, 20 time points (functional)", _real(
        "functional.nii"), truth_from=NIBABEL, options=SAMPLES),
    _case("real diffusion MR, oblique (example4d)", _real("example4d.nii.gz"), truth_from=NIBABEL, options=SAMPLES),
    _case("real NIfTI-2 (example_nifti2)", _real("example_nifti2.nii.gz"), truth_from=NIBABEL, options=SAMPLES),
    _case("real floats, big endian (reoriented_anat_moved)", _real("reoriented_anat_moved.nii"), truth_from=NIBABEL),
    _case("real, qform absent (standard)", _real("standard.nii.gz"), truth_from=NIBABEL),
    _case("connectivity of surfaces in NIfTI's clothes (row_major.dconn)", lambda _: (
        bundled("row_major.dconn.nii"), Content(refused=(Verdict.not_an_image,))), truth_from="its intent code"),
)  # fmt: skip
