"""DICOM files around the pixels, with identifiers that are plainly made up."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from medtrimix.phantom.cohort import Appointment, stream
from medtrimix.phantom.encodings import Stored
from medtrimix.phantom.xray import pixel_pitch

_SYLLABLES = ("BA", "DO", "FE", "GU", "KI", "LA", "MO", "NE", "PU", "RI", "SA", "TO", "VE", "WU", "ZI")


def write_dicom(
    path: Path, stored: Stored, *, appointment: Appointment, female: bool, image_px: int, seed: int
) -> None:
    """Writes one image; the same arguments give the same bytes."""
    dataset = Dataset()
    patient, study = appointment.patient, appointment.study
    identify(dataset, patient=patient, study=study, day=appointment.day, female=female, seed=seed)
    large_flat_panel = appointment.device.modality == "DX"
    storage = DigitalXRayImageStorageForPresentation if large_flat_panel else ComputedRadiographyImageStorage
    dataset.SOPClassUID = storage
    dataset.SOPInstanceUID = made_up_uid("study", study, "instance", appointment.instance, patient=patient, seed=seed)
    dataset.SeriesInstanceUID = made_up_uid("study", study, "series", patient=patient, seed=seed)
    dataset.StudyDescription = "PHANTOM CHEST"
    dataset.InstanceNumber = appointment.instance
    _describe_exposure(dataset, appointment, image_px=image_px)
    _add_pixels(dataset, stored, appointment)
    save(path, dataset, syntax=appointment.how.syntax, plugin=appointment.how.plugin)


def save(path: Path, dataset: Dataset, *, syntax: UID, plugin: str) -> None:
    """Writes a dataset whose pixels are not compressed yet."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if plugin:
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True, implicit_vr=syntax.is_implicit_VR, little_endian=True)


def patient_id(patient: int) -> str:
    """The made-up record number of a person."""
    return f"PHANTOM{patient + 1:06d}"


def made_up_uid(*what: str | int, patient: int, seed: int) -> str:
    """The UID of something that belongs to a person."""
    return generate_uid(entropy_srcs=["medtrimix phantom", str(seed), str(patient), *map(str, what)])


def identify(dataset: Dataset, *, patient: int, study: int, day: date, female: bool, seed: int) -> None:
    """Who is shown, in which study."""
    rng = stream(seed, "name", patient)
    name = "".join(_SYLLABLES[i] for i in rng.integers(len(_SYLLABLES), size=4))
    born = date(1820, 1, 1) + timedelta(days=int(rng.integers(22_000)))
    dataset.StudyInstanceUID = made_up_uid("study", study, patient=patient, seed=seed)
    dataset.PatientName = f"PHANTOM^{name}"
    dataset.PatientID = patient_id(patient)
    dataset.IssuerOfPatientID = "PHANTOM HOSPITAL"
    dataset.PatientBirthDate = born.strftime("%Y%m%d")
    dataset.PatientSex = "F" if female else "M"
    dataset.StudyDate = dataset.ContentDate = day.strftime("%Y%m%d")
    dataset.StudyTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber = f"PHA{patient + 1:06d}{study + 1:03d}"
    dataset.ReferringPhysicianName = "PHANTOM^REFERRER"
    dataset.InstitutionName = "PHANTOM HOSPITAL"
    dataset.StudyID = str(study + 1)
    dataset.SeriesNumber = 1


def _describe_exposure(dataset: Dataset, appointment: Appointment, *, image_px: int) -> None:
    device, pitch = appointment.device, pixel_pitch(appointment.device, image_px=image_px)
    to_patient = device.source_to_detector_mm - device.gap_mm
    dataset.Modality = device.modality
    dataset.Manufacturer = "PHANTOM WORKS"
    dataset.StationName = device.station
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA" if device.from_behind else "AP"
    dataset.PatientOrientation = ["L", "F"]
    dataset.DistanceSourceToDetector = f"{device.source_to_detector_mm:g}"
    dataset.DistanceSourceToPatient = f"{to_patient:g}"
    dataset.EstimatedRadiographicMagnificationFactor = f"{device.source_to_detector_mm / to_patient:.6g}"
    dataset.ImagerPixelSpacing = [f"{pitch:.6g}", f"{pitch:.6g}"]
    dataset.BurnedInAnnotation = "NO"


def _add_pixels(dataset: Dataset, stored: Stored, appointment: Appointment) -> None:
    how = appointment.how
    dataset.Rows, dataset.Columns = stored.pixels_HW.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if how.inverted else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if how.inverted else "IDENTITY"
    dataset.BitsAllocated = 8 * stored.pixels_HW.itemsize
    dataset.BitsStored, dataset.HighBit = how.bits, how.bits - 1
    dataset.PixelRepresentation = 0
    dataset.LossyImageCompression = "00"
    if how.rescale != (1, 0):
        dataset.RescaleSlope, dataset.RescaleIntercept = how.rescale
        dataset.RescaleType = "US"
    if stored.windows:
        centres, widths = zip(*stored.windows, strict=True)
        dataset.WindowCenter, dataset.WindowWidth = list(centres), list(widths)
        dataset.WindowCenterWidthExplanation = ["NORMAL", "HARD"][: len(centres)]
        dataset.VOILUTFunction = "LINEAR"
    dataset.PixelData = stored.pixels_HW.astype(stored.pixels_HW.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OB" if how.bits == 8 else "OW"
