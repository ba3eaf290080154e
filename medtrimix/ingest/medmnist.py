"""MedMNIST archives: one `.npz` with images and labels of an official split.

The arrays are streamed out of the zip file, picture by picture, so an archive of any size takes the memory of one
picture; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from medtrimix.arrays import Volume
from medtrimix.errors import SourceError
from medtrimix.ingest.fit import fitted, with_channels
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Record, Sample

_SPLITS = ("train", "val", "test")


def ingest_medmnist(path: Path, *, options: DataOptions, pseudonyms: Pseudonyms) -> Iterator[Sample]:
    """Samples of train, val and test in the order of the archive; every picture is a patient of its own.

    Raises:
        SourceError: not such an archive, volumes, or several labels per picture.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for split in _SPLITS:
                labels = _labels(archive, name=f"{split}_labels")
                pictures = _pictures(archive, name=f"{split}_images", count=len(labels))
                for position, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
                    name = f"medmnist {split} {position}"
                    yield _sample(picture, name=name, label=label, split=split, options=options, pseudonyms=pseudonyms)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, EOFError):
        problem = "the file is not a complete MedMNIST archive with {train,val,test}_{images,labels}."
    else:
        return
    raise _error(problem)  # out here, so that no chained error shows a path


def _sample(
    picture: npt.NDArray[np.uint8], *, name: str, label: str, split: str, options: DataOptions, pseudonyms: Pseudonyms
) -> Sample:
    array, _ = fitted(with_channels(picture, channels=options.channels), size=options.image_size, fit=options.fit)
    record = Record(
        sample_id=pseudonyms.file(name),
        patient_id=pseudonyms.patient(name),
        study_id="",
        series_id="",
        label=label,
        split=split,
        pixel_sha256=hashlib.sha256(picture.tobytes()).hexdigest(),
        modality="",
        encoding="npz",
        rows=picture.shape[0],
        columns=picture.shape[1],
        spacing_mm=math.nan,
    )
    return Sample(Volume(array), record)


def _labels(archive: zipfile.ZipFile, *, name: str) -> list[str]:
    with archive.open(f"{name}.npy") as file:
        shape, dtype = _array_header(file)
        if math.prod(shape) != shape[0]:
            raise _error("several labels per picture are not read yet.")
        if dtype.kind not in "iu":
            raise _error("the labels are not whole numbers.")
        return [str(value) for value in np.frombuffer(_exactly(file, shape[0] * dtype.itemsize), dtype).tolist()]


def _pictures(archive: zipfile.ZipFile, *, name: str, count: int) -> Iterator[npt.NDArray[np.uint8]]:
    with archive.open(f"{name}.npy") as file:
        shape, dtype = _array_header(file)
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 3):
            raise _error("volumes are not read yet: images must be (N, H, W) or (N, H, W, 3).")
        if dtype != np.uint8 or shape[0] != count:
            raise _error("images must be uint8 and as many as their labels.")
        for _ in range(count):
            yield np.frombuffer(_exactly(file, math.prod(shape[1:])), np.uint8).reshape(shape[1:])


def _array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran_order, dtype = read(file)
    if fortran_order or not shape:
        raise _error("the arrays are not in C order.")
    return shape, dtype


def _exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _error(what: str) -> SourceError:
    return SourceError(what, where="data.source", fix="See medmnist.com for the format.")
