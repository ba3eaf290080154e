"""CT series as files: one slice each, in no order, and sometimes a scout image among them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from medtrimix.phantom.cohort import stream
from medtrimix.phantom.ct import Slices, scan_chest
from medtrimix.phantom.ct_cohort import Scan, scans
from medtrimix.phantom.dicom import make_empty, write_csv
from medtrimix.phantom.header import identify, made_up_uid, patient_id, save
from medtrimix.phantom.options import CTOptions
from medtrimix.phantom.person import person
from medtrimix.phantom.scanners import CT_ENCODINGS

_TRUTH = ("folder", "encoding", "slices", "localizer", "hu_sha256", "affine")


def write_ct_tree(
    folder: Path,
    *,
    options: CTOptions,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the cohort's series, `truth.csv` and, last, `labels.csv`; the same seed writes the same bytes.

    `labels.csv` has the columns series_uid, patient_id, label. `truth.csv` has, for each series, its folder, encoding,
    number of slices and of scout images, the digest of its rescaled values (padding too) as int16, little-endian, from
    the feet to the head with rows and columns as stored, and the upper three rows of the voxel index (column, row,
    slice) to RAS millimetres.

    Args:
        folder: must be empty or absent.
        options: the cohort.
        seed: decides everything else.
        progress: called with (series written, series in all) after each series.

    Raises:
        SourceError: there is something in the folder already.
    """
    make_empty(folder)
    plan = list(scans(options, seed=seed))
    labels, truth = [("series_uid", "patient_id", "label")], [_TRUTH]
    for done, scan in enumerate(plan, start=1):
        slices = scan_chest(scan, options=options, seed=seed)
        write_series(folder / scan.folder, slices, scan=scan, options=options, seed=seed)
        labels.append((series_uid(scan, seed=seed), patient_id(scan.patient), scan.label))
        truth.append(_truth(scan, slices))
        if progress is not None:
            progress(done, len(plan))
    write_csv(folder / "truth.csv", truth)
    write_csv(folder / "labels.csv", labels)


def series_uid(scan: Scan, *, seed: int) -> str:
    """The made-up UID of a series."""
    return made_up_uid("ct", scan.study, "series", patient=scan.patient, seed=seed)


def write_series(folder: Path, slices: Slices, *, scan: Scan, options: CTOptions, seed: int) -> None:
    """Writes the slices; file names and InstanceNumbers are two permutations that say nothing about the position."""
    folder.mkdir(parents=True)
    count = len(slices.stored_DHW)
    order = stream(seed, "ct export", scan.patient, scan.study)
    names, numbers = order.permutation(count + 1) + 1, order.permutation(count + 1) + 1
    for place in range(count + scan.localizer):
        dataset = _series(scan, options=options, seed=seed)
        dataset.SOPInstanceUID = made_up_uid("ct", scan.study, "instance", place, patient=scan.patient, seed=seed)
        dataset.InstanceNumber = int(numbers[place])
        if place < count:
            _add_slice(dataset, slices, place, slice_mm=options.slice_mm)
        else:
            _add_localizer(dataset, slices, scan=scan, slice_mm=options.slice_mm)
        syntax, plugin = CT_ENCODINGS[scan.encoding]
        save(folder / f"IM{names[place]:06d}{scan.scanner.ending}", dataset, syntax=syntax, plugin=plugin)


def _series(scan: Scan, *, options: CTOptions, seed: int) -> Dataset:
    """What all files of a series have in common."""
    dataset, scanner = Dataset(), scan.scanner
    female = person(scan.patient, variety=options.anatomy_variety, seed=seed).female
    identify(dataset, patient=scan.patient, study=scan.study, day=scan.day, female=female, seed=seed)
    dataset.SOPClassUID = CTImageStorage
    dataset.StudyInstanceUID = made_up_uid("ct", scan.study, patient=scan.patient, seed=seed)
    dataset.SeriesInstanceUID = series_uid(scan, seed=seed)
    dataset.FrameOfReferenceUID = made_up_uid("ct", scan.study, "frame", patient=scan.patient, seed=seed)
    dataset.PositionReferenceIndicator = ""
    dataset.StudyDescription = "PHANTOM CHEST CT"
    dataset.Modality = "CT"
    dataset.Manufacturer = "PHANTOM WORKS"
    dataset.StationName = scanner.station
    dataset.BodyPartExamined = "CHEST"
    dataset.PatientPosition = "HFP" if scanner.prone else "HFS"
    dataset.KVP = "120"
    dataset.AcquisitionNumber = 1
    dataset.BurnedInAnnotation = "NO"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.LossyImageCompression = "00"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, scanner.intercept, "HU"
    dataset.WindowCenter, dataset.WindowWidth = [40, -600], [400, 1500]
    dataset.WindowCenterWidthExplanation = ["SOFT TISSUE", "LUNG"]
    dataset.PixelRepresentation = int(scanner.signed)
    dataset.BitsAllocated, dataset.BitsStored = 16, 16 if scanner.signed else 12
    dataset.HighBit = dataset.BitsStored - 1
    if scanner.padding is not None:
        dataset.add_new("PixelPaddingValue", "SS", scanner.padding)
    return dataset


def _add_slice(dataset: Dataset, slices: Slices, place: int, *, slice_mm: float) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ImagePositionPatient = [f"{value:.10g}" for value in slices.position_D3[place]]
    directions = np.concatenate([np.sign(slices.row_mm), np.sign(slices.column_mm)])
    dataset.ImageOrientationPatient = [f"{value:g}" for value in directions + 0.0]
    dataset.PixelSpacing = [f"{abs(slices.column_mm[1]):.10g}", f"{abs(slices.row_mm[0]):.10g}"]
    dataset.SliceThickness = f"{slice_mm:g}"
    _add_pixels(dataset, slices.stored_DHW[place])


def _add_localizer(dataset: Dataset, slices: Slices, *, scan: Scan, slice_mm: float) -> None:
    """The mean from front to back, seen from the front, head up; two rows for each slice."""
    stored_DHW = slices.stored_DHW[:, ::-1, ::-1] if scan.scanner.prone else slices.stored_DHW
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    left = slices.position_D3[0, 0] + min(0, (stored_DHW.shape[2] - 1) * slices.row_mm[0])
    dataset.ImagePositionPatient = [f"{left:.10g}", "0", f"{slices.position_D3[-1, 2]:.10g}"]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]
    dataset.PixelSpacing = [f"{slice_mm / 2:.10g}", f"{abs(slices.row_mm[0]):.10g}"]
    _add_pixels(dataset, np.rint(stored_DHW[::-1].mean(axis=1)).astype(stored_DHW.dtype).repeat(2, axis=0))


def _add_pixels(dataset: Dataset, stored_HW: npt.NDArray[np.integer]) -> None:
    dataset.Rows, dataset.Columns = stored_HW.shape
    dataset.PixelData = stored_HW.astype(stored_HW.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OW"


def _truth(scan: Scan, slices: Slices) -> tuple[str, str, str, str, str, str]:
    hu_DHW = (slices.stored_DHW.astype(np.int32) + scan.scanner.intercept).astype("<i2")
    digest = hashlib.sha256(hu_DHW.tobytes()).hexdigest()
    affine = " ".join(f"{value:.6f}" for value in slices.affine[:3].ravel())
    return scan.folder, scan.encoding, str(len(hu_DHW)), str(int(scan.localizer)), digest, affine
