"""MedMNIST archives: one `.npz` with pictures or volumes and their labels, in an official split.

The arrays are streamed out of the zip file, image by image, so an archive of any size takes the memory of one image;
nothing is unpickled. Volumes come without the size of their voxels, which are taken for cubes, and without orientation.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from medtrimix.arrays import Volume
from medtrimix.errors import SourceError
from medtrimix.findings import joined
from medtrimix.ingest.fit.picture import fitted, with_channels
from medtrimix.ingest.fit.volume import fitted_values
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.grey import full_range
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Outcome, Record, Refusal, Sample
from medtrimix.ingest.verdict import Refused, Verdict

Bytes = npt.NDArray[np.uint8]

_SPLITS = ("train", "val", "test")


def ingest_medmnist(path: Path, *, options: DataOptions, pseudonyms: Pseudonyms) -> Iterator[Outcome]:
    """An outcome for each image of train, val and test, in the order of the archive; each is a patient of its own.

    Images are counted as files are elsewhere: each outcome has one accepted file.

    Raises:
        SourceError: not such an archive, or its images and `data.volume` don't go together.
    """
    if options.volume is not None and (options.volume.spacing_mm is not None or options.volume.channels > 1):
        raise _error("its volumes have one channel and voxels of unknown size: no `spacing_mm`, no `channels`.")
    try:
        with zipfile.ZipFile(path) as archive:
            for split in _SPLITS:
                labels = _labels(archive, name=f"{split}_labels")
                images = _images(archive, name=f"{split}_images", count=len(labels), options=options)
                for position, (image, label) in enumerate(zip(images, labels, strict=True)):
                    name = f"medmnist {split} {position}"
                    record = _record(image, name=name, label=label, split=split, pseudonyms=pseudonyms)
                    yield _outcome(image, record, name=name, options=options, pseudonyms=pseudonyms)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, EOFError):
        problem = "the file is not a complete MedMNIST archive with {train,val,test}_{images,labels}."
    else:
        return
    raise _error(problem)  # out here, so that no chained error shows a path


def _record(image: Bytes, *, name: str, label: str, split: str, pseudonyms: Pseudonyms) -> Record:
    is_volume = image.ndim == 3 and image.shape[2] != 3
    rows, columns = image.shape[1:] if is_volume else image.shape[:2]
    return Record(
        sample_id=pseudonyms.file(name),
        patient_id=pseudonyms.patient(name),
        study_id="",
        series_id="",
        label=label,
        split=split,
        pixel_sha256=hashlib.sha256(image.data).hexdigest(),
        modality="",
        encoding="npz",
        rows=rows,
        columns=columns,
        slices=len(image) if is_volume else 1,
        flags=Flag.no_patient_number.value,
    )


def _outcome(image: Bytes, record: Record, *, name: str, options: DataOptions, pseudonyms: Pseudonyms) -> Outcome:
    if Flag.no_patient_number in options.exclude:
        return Outcome(refusals=(Refusal(record.sample_id, Verdict.excluded),))
    if options.volume is None:
        return Outcome(samples=(Sample(_fitted_picture(image, options=options), record),), accepted_files=1)
    try:
        samples = _of_volume(image, record, name=name, options=options, pseudonyms=pseudonyms)
    except Refused as refusal:
        return Outcome(refusals=(Refusal(record.sample_id, refusal.verdict),))
    return Outcome(samples=samples, accepted_files=1)


def _fitted_picture(picture: Bytes, *, options: DataOptions) -> Volume:
    array, _ = fitted(with_channels(picture, channels=options.channels), size=options.image_size, fit=options.fit)
    return Volume(array)


def _of_volume(
    volume_DHW: Bytes, record: Record, *, name: str, options: DataOptions, pseudonyms: Pseudonyms
) -> tuple[Sample, ...]:
    """The volume, or its slices; these take their digest from it, since many an empty slice is like another."""
    images = fitted_values(
        volume_DHW[None].astype(np.int16), windows=[full_range(0, 255)], padded_DHW=None, affine=None, options=options
    )
    if len(images) == 1:
        return (Sample(images[0], record),)
    return tuple(
        Sample(
            image,
            replace(
                record,
                sample_id=pseudonyms.file(f"{name} {frame}"),
                pixel_sha256=hashlib.sha256(f"{record.pixel_sha256} slice {frame}".encode()).hexdigest(),
                frame=frame,
            ),
        )
        for frame, image in enumerate(images)
    )


def _labels(archive: zipfile.ZipFile, *, name: str) -> list[str]:
    """Class numbers, or of labels `(N, findings)` with 0 or 1 the numbers of the findings that are present."""
    with archive.open(f"{name}.npy") as file:
        shape, dtype = _array_header(file)
        if dtype.kind not in "iu":
            raise _error("the labels are not whole numbers.")
        values = np.frombuffer(_exactly(file, math.prod(shape) * dtype.itemsize), dtype).reshape(shape[0], -1)
    if values.shape[1] == 1:
        return [str(value) for value in values[:, 0].tolist()]
    if not np.isin(values, (0, 1)).all():
        raise _error("labels in several columns must be 0 or 1.")
    return [joined([str(finding) for finding in np.flatnonzero(row)]) for row in values]


def _images(archive: zipfile.ZipFile, *, name: str, count: int, options: DataOptions) -> Iterator[Bytes]:
    with archive.open(f"{name}.npy") as file:
        shape, dtype = _array_header(file)
        if len(shape) not in (3, 4):
            raise _error("images must be (N, H, W), (N, H, W, 3) or (N, D, H, W).")
        if dtype != np.uint8 or shape[0] != count:
            raise _error("images must be uint8 and as many as their labels.")
        holds_volumes = len(shape) == 4 and shape[3] != 3
        if holds_volumes and options.volume is None:
            raise _error(f"its images are volumes: set `data.volume: {{size: {list(shape[1:])}}}`.")
        if options.volume is not None and not holds_volumes:
            raise _error("its images are pictures: leave `data.volume` out.")
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
