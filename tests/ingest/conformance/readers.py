"""The reader under test, from a file or folder to what it holds, by the functions that the decoding processes call."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path

from judge import Content, Grid

from medtrimix.ingest.dicom.picture import read_dicom
from medtrimix.ingest.dicom.scan import SliceFacts
from medtrimix.ingest.dicom.series import assemble
from medtrimix.ingest.dicom.volume import SliceRefused, read_volume
from medtrimix.ingest.formats.nifti import read_nifti
from medtrimix.ingest.formats.raster import read_raster
from medtrimix.ingest.opening import Task, kind_of, open_file
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.picture import Picture
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sniff import Kind
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.ingest.volume_reader import Whole, scan_file
from medtrimix.ingest.voxels import Voxels

_PSEUDONYMS = Pseudonyms(bytes(32))


def medtrimix(path: Path, *, options: DataOptions) -> Content:
    """What medtrimix finds at `path`: pictures at full size, or volumes in their own units."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the decoding processes are silent
        return (_pictures if options.volume is None else _volumes)(files, options=options)


def _pictures(files: list[Path], *, options: DataOptions) -> Content:
    pictures: list[Picture] = []
    refused: list[str] = []
    for file in files:
        try:
            pictures += _frames(file, options=options)
        except Refused as refusal:
            refused.append(refusal.verdict)
    return Content(tuple(picture.array for picture in pictures), refused=tuple(refused))


def _frames(path: Path, *, options: DataOptions) -> tuple[Picture, ...]:
    with open_file(_task(path), options=options) as file:
        kind = kind_of(file, name=path.name)
        if kind in (Kind.dicom, Kind.headless_dicom):
            return read_dicom(file, headless=kind is Kind.headless_dicom, options=options)
        if kind is Kind.nifti:
            raise Refused(Verdict.is_volume)
        return (read_raster(file, kind=kind.value, options=options),)


def _volumes(files: list[Path], *, options: DataOptions) -> Content:
    """As `volume_reader` does it, but with the voxels before they are brought to the size of the store."""
    voxels: list[Voxels] = []
    refused: list[str] = []
    facts: list[SliceFacts | None] = []
    for file in files:
        fact = scan_file(_task(file), options=options, pseudonyms=_PSEUDONYMS)
        facts.append(fact if isinstance(fact, SliceFacts) else None)
        if isinstance(fact, Verdict):
            refused.append(fact)
        elif isinstance(fact, Whole):
            try:
                voxels += _nifti(file, options=options)
            except Refused as refusal:
                refused.append(refusal.verdict)
    assembly = assemble(facts, options=options)
    refused += assembly.refused.values()
    for members in assembly.volumes:
        open_files = [partial(open_file, _task(files[member]), options=options) for member in members]
        try:
            read = read_volume(open_files, options=options)
        except SliceRefused as refusal:
            refused += [refusal.verdict, *[Verdict.incomplete] * (len(members) - 1)]
        except Refused as refusal:
            refused += [refusal.verdict] * len(members)
        else:
            voxels += read
            refused += [Verdict.duplicate] * sum(len(volume.duplicates) for volume in read)
    return Content(volumes=tuple(grid for volume in voxels for grid in _grids(volume)), refused=tuple(refused))


def _nifti(path: Path, *, options: DataOptions) -> tuple[Voxels, ...]:
    with open_file(_task(path), options=options) as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        return read_nifti(file, zipped=zipped, options=options)


def _grids(voxels: Voxels) -> list[Grid]:
    """One for each channel, in NIfTI's order of axes."""
    return [Grid(values_DHW.T, voxels.affine) for values_DHW in voxels.values_CDHW]


def _task(path: Path) -> Task:
    return Task(path.name, str(path))
