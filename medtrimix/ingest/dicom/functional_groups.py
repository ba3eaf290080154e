"""Enhanced multi-frame objects (PS3.3 C.7.6.16): the attributes of each frame, as if it had a file of its own.

What one slice says in its header, an enhanced object says in functional groups: once for all frames, or frame by frame.
Laid flat, both are read by the same functions.
"""

from __future__ import annotations

from itertools import islice

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medtrimix.ingest.dicom.values import items
from medtrimix.ingest.verdict import Refused, Verdict

_MACROS = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction"),
    "FrameContentSequence": ("StackID", "FrameAcquisitionNumber", "TemporalPositionIndex"),
    "FrameAnatomySequence": ("AnatomicRegionSequence",),
    "MREchoSequence": ("EffectiveEchoTime",),
    "MRDiffusionSequence": ("DiffusionBValue",),
    "DiffusionGradientDirectionSequence": ("DiffusionGradientOrientation",),
    "MRModifierSequence": ("InversionTimes",),
    "MRTimingAndRelatedParametersSequence": ("FlipAngle",),
    "CardiacSynchronizationSequence": ("NominalCardiacTriggerDelayTime",),
    "MRImageFrameTypeSequence": ("FrameType",),
    "CTImageFrameTypeSequence": ("FrameType",),
    "PETFrameTypeSequence": ("FrameType",),
}
_NAMES_IN_FILES_OF_ONE_SLICE = {
    "FrameAcquisitionNumber": "AcquisitionNumber",
    "EffectiveEchoTime": "EchoTime",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "NominalCardiacTriggerDelayTime": "TriggerTime",
    "InversionTimes": "InversionTime",
    "FrameType": "ImageType",
}
_TARGETS = {
    Tag(macro): {Tag(name): Tag(_NAMES_IN_FILES_OF_ONE_SLICE.get(name, name)) for name in names}
    for macro, names in _MACROS.items()
}
"""For each macro: tags in its item, and where the same stands in the header of a single slice."""
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def frame_headers(header: Dataset, *, frames: int) -> list[Dataset]:
    """One header for each of the `frames`.

    Raises:
        Refused: invalid_header, if the file describes another number of frames.
    """
    shared = next(iter(items(header, "SharedFunctionalGroupsSequence")), Dataset())
    each = items(header, "PerFrameFunctionalGroupsSequence") or [Dataset()] * frames
    if len(each) != frames:
        raise Refused(Verdict.invalid_header)
    common = Dataset()
    common.update({tag: header.get_item(tag) for tag in header.keys()})  # noqa: SIM118 - iterating would parse values
    for name in _GROUPS:
        if name in common:
            del common[name]
    _lay_flat(shared, onto=common)
    return [_frame_header(group, common=common, header=header) for group in each]


def _frame_header(group: Dataset, *, common: Dataset, header: Dataset) -> Dataset:
    frame = Dataset()
    frame.update(common)
    implicit, little_endian = header.original_encoding
    frame.set_original_encoding(implicit, little_endian, header.original_character_set)
    _lay_flat(group, onto=frame)
    return frame


def _lay_flat(group: Dataset, *, onto: Dataset) -> None:
    for macro in _TARGETS.keys() & group.keys():
        for item in islice(group[macro].value or (), 1):
            for source, target in _TARGETS[macro].items():
                if source in item:
                    onto[target] = _moved(item.get_item(source), to=target)
            _lay_flat(item, onto=onto)


def _moved(element: DataElement | RawDataElement, *, to: BaseTag) -> DataElement | RawDataElement:
    """An element under another tag; its value is not parsed."""
    if isinstance(element, RawDataElement):
        return element._replace(tag=to, VR=element.VR or dictionary_VR(element.tag))
    return DataElement(to, element.VR, element.value)
