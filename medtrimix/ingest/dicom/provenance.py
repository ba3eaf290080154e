"""Who and what a DICOM file shows, and where it comes from; identifiers stay in the decoding process."""

from __future__ import annotations

from pydicom.dataset import Dataset

from medtrimix.ingest.dicom.syntax import Syntax
from medtrimix.ingest.dicom.values import items, text, words
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.picture import Identity

_MODALITY_TERMS = """
    ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DMS DG DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT IVUS
    KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG
    RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA
    XAPROTOCOL XC XRF
"""  # XRF was retired, and old files have it
_MODALITIES = frozenset(_MODALITY_TERMS.split())
"""Defined terms of Modality (PS3.3 C.7.3.1.1.1): anything else in that place may be free text."""

_FOR_PROCESSING = frozenset(f"1.2.840.10008.5.1.4.1.1.1.{kind}.1" for kind in (1, 2, 3))  # DX, MG, intra-oral
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_CAPTURES = frozenset({"DF", "DRW", "DV", "SD", "SI", "WSD"})  # film, drawing, video, document, scan, workstation
_SCREENS = frozenset({"SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "SCREEN SHOT"})

_CROSS_SECTIONS = ("CT", "MR", "PT")
_HEAD_TERMS = """
    BRAIN CEREBELLUM EAR EYE FACE FACIALBONES FOREHEAD HEAD HEADNECK IAC JAW MANDIBLE MAXFACE MAXILLA NOSE OPTICCANAL
    ORBIT PARANASALSINUS PITUITARY POSTFOSSA SELLA SINUS SINUSES SKULL TMJ WHOLEBODY ZYGOMA
"""
_HEAD_PARTS = frozenset(_HEAD_TERMS.split())
_HEAD_CODE_VALUES = """
    69536005 774007 12738006 89546000 89545001 363654007 2095001 91609006 38266002
    T-D1100 T-D1000 T-A0100 T-11100 T-D1200 T-D14AE T-22000 T-11180 T-D0010
"""  # SNOMED CT, then the older SRT: head, head and neck, brain, skull, face, orbit, sinuses, mandible, whole body
_HEAD_CODES = frozenset(_HEAD_CODE_VALUES.split())


def identity_of(header: Dataset) -> Identity:
    """The identifiers, as text without padding."""
    make = (text(header, "Manufacturer"), text(header, "ManufacturerModelName"))
    return Identity(
        patient_id=text(header, "PatientID"),
        issuer=text(header, "IssuerOfPatientID"),
        study_uid=text(header, "StudyInstanceUID"),
        series_uid=text(header, "SeriesInstanceUID"),
        instance_uid=text(header, "SOPInstanceUID"),
        device="|".join(make) if any(make) else "",
    )


def modality_of(header: Dataset) -> str:
    """A defined term; "OT" (other) for everything that is none."""
    modality = text(header, "Modality")
    return modality if modality in _MODALITIES else "OT"


def is_localizer(header: Dataset) -> bool:
    """Whether this is a scout image for planning (third value of Image Type)."""
    return "LOCALIZER" in image_type(header)


def image_type(header: Dataset) -> tuple[str, ...]:
    """Values of Image Type."""
    return words(header, "ImageType")


def flags_of(header: Dataset, *, syntax: Syntax) -> tuple[Flag, ...]:
    """What holds for the file, in the order of `Flag`."""
    sop_class = text(header, "SOPClassUID")
    holds = {
        Flag.for_processing: text(header, "PresentationIntentType") == "FOR PROCESSING" or sop_class in _FOR_PROCESSING,
        Flag.secondary_capture: sop_class == _SECONDARY_CAPTURE
        or sop_class.startswith(f"{_SECONDARY_CAPTURE}.")
        or text(header, "ConversionType") in _CAPTURES
        or not _SCREENS.isdisjoint(image_type(header)),
        Flag.burned_in_text: text(header, "BurnedInAnnotation") == "YES",
        Flag.head: text(header, "Modality") in _CROSS_SECTIONS and _shows_a_head(header),
        Flag.lossy: text(header, "LossyImageCompression") == "01" or syntax.lossy,
    }
    return tuple(flag for flag in Flag if holds.get(flag, False))


def _shows_a_head(header: Dataset) -> bool:
    part = text(header, "BodyPartExamined").upper()
    codes = {text(region, "CodeValue") for region in items(header, "AnatomicRegionSequence")}
    return "".join(filter(str.isalpha, part)) in _HEAD_PARTS or not codes.isdisjoint(_HEAD_CODES)
