"""Very many small DICOM files, made fast: one file is written by pydicom, its copies differ in a few bytes.

Five images of a series, ten of a patient; noise for pixels, so that no two pictures are the same.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

_SIDE = 32
_ROOT = "1.2.826.0.1.3680043.8.498."
_FILES_OF_A_FOLDER = 1000


def write_swarm(folder: Path, *, files: int) -> None:
    """Writes `files` of them below `folder`, the same ones for the same number."""
    template = _template()
    pixels_at = len(template) - _SIDE * _SIDE
    for number in range(files):
        if number % _FILES_OF_A_FOLDER == 0:
            inside = folder / f"{number // _FILES_OF_A_FOLDER:05d}"
            inside.mkdir(parents=True)
        pixels = np.random.Generator(np.random.PCG64(number)).bytes(_SIDE * _SIDE)
        header = template[:pixels_at]
        for place, value in (("1", number), ("2", number // 5), ("3", number // 10)):
            header = header.replace(_uid(place, 0), _uid(place, value))
        header = header.replace(_patient(0), _patient(number // 10))
        (inside / f"{number:07d}").write_bytes(header + pixels)


def _uid(place: str, number: int) -> bytes:
    return f"{_ROOT}{place}1{number:010d}".encode()


def _patient(number: int) -> bytes:
    return f"MRN{number:09d}".encode()


def _template() -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID = (_uid(place, 0).decode() for place in "123")
    ds.PatientID, ds.Modality = _patient(0).decode(), "CR"
    ds.Rows = ds.Columns = _SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = bytes(_SIDE * _SIDE)
    ds["PixelData"].VR = "OB"
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()
