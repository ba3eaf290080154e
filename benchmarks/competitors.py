"""The readers that are compared, each from a path to an array in memory. A volume is a folder, or a NIfTI file.

They don't all give the same, so like is set against like: stored values by pydicom against our stored values, the
8-bit picture that is shown by pydicom against ours (padding, rescale, window, inversion). MONAI's float32 of stored or
rescaled values and SimpleITK's rescaled values stand beside our finished picture, which is the longer way. For a CT we
read all headers first, to know what belongs together, and then the files; bare pydicom reads each once and takes it for
granted that a folder is one volume.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813 - everybody's name for it
from pydicom import dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut, get_decoder

from medtrimix.ingest.dicom.dataset import read_header, read_pixels
from medtrimix.ingest.dicom.frames import stored_frames
from medtrimix.ingest.dicom.header import pixel_module
from medtrimix.ingest.dicom.picture import read_dicom
from medtrimix.ingest.dicom.scan import SliceFacts
from medtrimix.ingest.dicom.series import assemble
from medtrimix.ingest.dicom.volume import read_volume
from medtrimix.ingest.formats.nifti import read_nifti
from medtrimix.ingest.opening import Task, open_file
from medtrimix.ingest.options import DataOptions, VolumeOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.volume_reader import scan_file

Array = npt.NDArray[np.generic]
Reader = Callable[[Path], Array]

OURS = "medtrimix"
OURS_STORED = "medtrimix, stored values"
_OPTIONS = DataOptions(source="unused")
_VOLUMES = DataOptions(source="unused", volume=VolumeOptions())
_NAMES = Pseudonyms(bytes(32))


def picture_readers(example: Path) -> dict[str, Reader]:
    """For single DICOM files like `example`."""
    plugin = _best_plugin(example)
    return {
        OURS: _our_picture,
        OURS_STORED: _our_stored_values,
        "pydicom, shown": partial(_pydicom_shown, plugin=plugin),
        f"pydicom, stored values ({plugin or 'raw'})": partial(_pydicom_picture, plugin=plugin),
        "MONAI PydicomReader": _monai("PydicomReader"),
        "MONAI ITKReader": _monai("ITKReader"),
        "SimpleITK": _sitk_file,
    }


def series_readers() -> dict[str, Reader]:
    """For the folder of one CT series. All of them find the order of the slices by themselves."""
    return {
        OURS: _our_series,
        "pydicom": _pydicom_series,
        "MONAI PydicomReader": _monai("PydicomReader"),
        "MONAI ITKReader": _monai("ITKReader"),
        "SimpleITK": _sitk_series,
    }


def nifti_readers() -> dict[str, Reader]:
    """For a zipped NIfTI file."""
    return {
        OURS: _our_nifti,
        "nibabel": lambda path: np.asarray(nibabel.load(path).dataobj),
        "MONAI NibabelReader": _monai("NibabelReader"),
        "MONAI ITKReader": _monai("ITKReader"),
        "SimpleITK": _sitk_file,
    }


def _our_picture(path: Path) -> Array:
    with open_file(Task("", str(path)), options=_OPTIONS) as file:
        (picture,) = read_dicom(file, headless=False, options=_OPTIONS)
    return picture.array


def _our_stored_values(path: Path) -> Array:
    """All checks of a header, and the decoder, but no grey."""
    with open_file(Task("", str(path)), options=_OPTIONS) as file:
        header, uid = read_header(file, headless=False)
        module = pixel_module(header, max_megapixels=_OPTIONS.max_megapixels)
        read_pixels(file, header=header)
    ((stored, _),) = stored_frames(header, uid=uid, module=module, frames=1)
    return stored


def _our_series(folder: Path) -> Array:
    """Both passes of an ingest: the headers of all files, then their pixels."""
    tasks = [Task(path.name, str(path)) for path in folder.iterdir()]
    scanned = [scan_file(task, options=_VOLUMES, pseudonyms=_NAMES) for task in tasks]
    facts = [fact if isinstance(fact, SliceFacts) else None for fact in scanned]
    (order,) = assemble(facts, options=_VOLUMES).volumes
    (voxels,) = read_volume([partial(open_file, tasks[place], options=_VOLUMES) for place in order], options=_VOLUMES)
    return voxels.values_CDHW


def _our_nifti(path: Path) -> Array:
    with open_file(Task("", str(path)), options=_VOLUMES) as file:
        (voxels,) = read_nifti(file, zipped=True, options=_VOLUMES)
    return voxels.values_CDHW


def _pydicom_picture(path: Path, *, plugin: str) -> Array:
    ds = dcmread(path)
    if plugin:
        ds.pixel_array_options(decoding_plugin=plugin)
    return ds.pixel_array


def _pydicom_shown(path: Path, *, plugin: str) -> Array:
    ds = dcmread(path)
    if plugin:
        ds.pixel_array_options(decoding_plugin=plugin)
    values = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds)
    return np.rint(values * (255 / (2**ds.BitsStored - 1))).astype(np.uint8)


def _pydicom_series(folder: Path) -> Array:
    slices = sorted((dcmread(path) for path in folder.iterdir()), key=lambda ds: ds.ImagePositionPatient[2])
    first = slices[0]
    volume = np.empty((len(slices), first.Rows, first.Columns), np.int16)
    for place, ds in enumerate(slices):
        volume[place] = ds.pixel_array
        volume[place] *= int(ds.RescaleSlope)
        volume[place] += int(ds.RescaleIntercept)
    return volume


def _monai(reader: str) -> Reader:
    from monai.transforms import LoadImage

    load = LoadImage(reader=reader, image_only=True)
    return lambda path: load(path)  # type: ignore[no-any-return]


def _sitk_file(path: Path) -> Array:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def _sitk_series(folder: Path) -> Array:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.GetArrayFromImage(reader.Execute())


def _best_plugin(example: Path) -> str:
    """The fastest of pydicom's installed decoders for a file, "" for pixels that are not compressed."""
    syntax = dcmread(example, stop_before_pixels=True).file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return ""
    seconds = {}
    for plugin in get_decoder(syntax).available_plugins:
        begin = time.perf_counter()
        for _ in range(2):
            _pydicom_picture(example, plugin=plugin)
        seconds[plugin] = time.perf_counter() - begin
    return min(seconds, key=seconds.__getitem__)
