"""An export in which everything that can hold text holds an identifier."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image, PngImagePlugin
from pydicom import config
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

UID = "1.2.826.0.1.3680043.10.1437.9"
_TEXTS = {
    "AE": "CANARY",
    "CS": "CANARY",
    "DA": "19010203",
    "DT": "19010203101112",
    "LO": "CANARY ACC31433605",
    "LT": "CANARY MRN0001",
    "PN": "CANARY^NAME",
    "SH": "MRN0001",
    "ST": "CANARY MRN0001",
    "UC": "CANARY MRN0001",
    "UI": UID,
    "UR": "http://canary.example/CANARY",
    "UT": "CANARY MRN0001",
}
_SAY_HOW_TO_READ = {
    "SpecificCharacterSet",
    "PhotometricInterpretation",
    "PresentationLUTShape",
    "VOILUTFunction",
    "Modality",
    "LossyImageCompression",
}
"""Text elements without which there is no picture: planted one at a time, the others all at once."""
PREAMBLE = b"CANARY^NAME MRN0001 19010203".ljust(128, b"\0")


def plant(root: Path) -> int:
    """Writes the export; returns its number of files."""
    with _anything_goes():
        folder = root / "CANARY^NAME" / "MRN0001"
        _write(_picture(0), folder / "CANARY-all.dcm")
        for number, keyword in enumerate(sorted(_SAY_HOW_TO_READ), start=1):
            picture = _picture(number)
            setattr(picture, keyword, "ISO_IR 100")  # pydicom would not write an unknown character set
            path = _write(picture, folder / f"CANARY-{keyword}")
            path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"CANARY 100"))
        whole = _write(_picture(20), folder / "CANARY-cut.dcm").read_bytes()
        (folder / "CANARY-cut.dcm").write_bytes(whole[:-700])
        _spoil_the_stream(_picture(21), folder / "CANARY-stream.dcm")
        _write(_with_values_that_warn(_picture(22)), folder / "CANARY-values.dcm")
        for slice_number in range(6):
            _write(_slice(slice_number), folder / "19010203" / f"ACC3143360{slice_number}")
    _nifti(folder / "CANARY-MRN0001.nii.gz")
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", "CANARY^NAME MRN0001")
    Image.fromarray(_pixels(30).astype(np.uint8)).save(folder / "CANARY.png", pnginfo=text)
    (folder / "CANARY.txt").write_text("CANARY^NAME MRN0001")
    return sum(path.is_file() for path in root.rglob("*"))


@contextmanager
def _anything_goes() -> Iterator[None]:
    """Values that the standard forbids may be written, without a warning."""
    mode = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.writing_validation_mode = mode


def _pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 32)).astype(np.uint16)


def _texts() -> Dataset:
    """Every text element of the dictionary, but for the groups that frame a file."""
    planted = Dataset()
    for number, (kind, *_, keyword) in DicomDictionary.items():
        tag = Tag(number)
        representation = kind.split(" or ")[0]
        if representation in _TEXTS and tag.group not in (0x0000, 0x0002, 0xFFFE) and keyword not in _SAY_HOW_TO_READ:
            planted.add_new(tag, representation, _TEXTS[representation])
    return planted


def _picture(number: int) -> Dataset:
    """A radiograph with a text in every element, in sequences within sequences, and in a private block."""
    ds = _texts()
    inner, middle = _texts(), Dataset()
    middle.ReferencedStudySequence = Sequence([inner])
    ds.RequestAttributesSequence = Sequence([middle, _texts()])
    private = ds.private_block(0x0009, "CANARY WORKS", create=True)
    private.add_new(0x01, "LO", "CANARY^NAME MRN0001")
    private.add_new(0x02, "UN", b"CANARY^NAME MRN0001")
    private.add_new(0x03, "SQ", Sequence([_texts()]))
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.SourceApplicationEntityTitle = "CANARY"
    ds.file_meta.PrivateInformationCreatorUID = UID
    ds.file_meta.PrivateInformation = b"CANARY^NAME"
    ds.preamble = PREAMBLE
    ds.SOPInstanceUID, ds.PatientID = f"{UID}.{number}", f"MRN{number:04d}"
    ds.Modality = "CR"
    ds.Rows, ds.Columns, ds.SamplesPerPixel = 24, 32, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 8, 7, 0
    ds.add_new("PixelData", "OW", _pixels(number).tobytes())
    return ds


def _slice(number: int) -> Dataset:
    ds = _picture(100 + number)
    ds.Modality, ds.PatientID = "CT", "MRN0002"
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 2.5 * number]
    ds.PixelSpacing, ds.RescaleSlope, ds.RescaleIntercept = [1, 1], 1, -100
    return ds


def _with_values_that_warn(ds: Dataset) -> Dataset:
    ds.PatientID = "MRN0003" + "9" * 70
    ds.add_new("WindowCenter", "DS", "12.345678901234567890")
    ds.add_new("WindowWidth", "DS", "900.00000000000000001")
    ds.add_new("PatientBirthDate", "DA", "CANARY")
    return ds


def _spoil_the_stream(ds: Dataset, path: Path) -> None:
    ds.compress(JPEGLSLossless, generate_instance_uid=False)
    data = _write(ds, path).read_bytes()
    path.write_bytes(data[:-80] + b"CANARY" * 10 + data[-20:])


def _write(ds: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def _nifti(path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7), np.eye(4))
    header = image.header
    header["descrip"], header["aux_file"], header["db_name"] = b"CANARY^NAME", b"MRN0001", b"CANARY"
    header["intent_name"], header["data_type"] = b"19010203", b"CANARY"
    header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"CANARY^NAME MRN0001"))
    header.extensions.append(nibabel.nifti1.Nifti1Extension("afni", b"<CANARY patient='MRN0001'/>"))
    with path.open("wb") as packed, gzip.GzipFile(filename="CANARY-MRN0001.nii", fileobj=packed, mode="wb") as file:
        file.write(image.to_bytes())
