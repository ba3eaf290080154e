"""What a verdict means to the person who exported the files, and what can be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medtrimix.ingest.verdict import Verdict


@dataclass(frozen=True)
class Meaning:
    """One sentence each; `remedy` is empty where nothing needs to be done."""

    text: str
    remedy: str = ""


MEANINGS: dict[Verdict, Meaning] = {
    Verdict.accepted: Meaning("is in the array store"),
    Verdict.not_an_image: Meaning("another kind of file, or a DICOM object without a picture (doses, segments)"),
    Verdict.not_dicom: Meaning("named like DICOM, but is not", "export it again"),
    Verdict.no_pixels: Meaning("DICOM without pixel data: a report, a plan, a directory"),
    Verdict.unsupported_syntax: Meaning(
        "transfer syntax without a decoder, or deflated", "export as explicit little endian or JPEG 2000"
    ),
    Verdict.unsupported_pixels: Meaning("floats, or an unknown colour model", "export as 8 or 16 bit integers"),
    Verdict.unsupported_multiframe: Meaning(
        "several frames in one file", "frames: samples makes each a sample; volumes need the section `volume`"
    ),
    Verdict.unsupported_4d: Meaning("several volumes in one file", "volume.fourth_axis: samples or channels"),
    Verdict.is_volume: Meaning("a volume, while pictures are read", "give the section `volume`"),
    Verdict.no_volume: Meaning(
        "a single picture, while volumes are read", "read pictures without the section `volume`"
    ),
    Verdict.excluded: Meaning("has a flag that `exclude` names"),
    Verdict.localizer: Meaning("a scout image among the slices"),
    Verdict.no_position: Meaning("nothing says where in the patient it lies", "export the original series"),
    Verdict.gap: Meaning("slices are missing from the series, or their distances differ", "export the whole series"),
    Verdict.tilt: Meaning("the gantry was tilted, so the slices are sheared"),
    Verdict.mixed_geometry: Meaning("several slices at one position that nothing tells apart"),
    Verdict.too_few_slices: Meaning("fewer slices than volume.min_slices", "lower it if such volumes are wanted"),
    Verdict.incomplete: Meaning("another slice of its volume was refused"),
    Verdict.invalid_header: Meaning("attributes missing, or against the standard", "ask who exported it"),
    Verdict.size_mismatch: Meaning("header and compressed picture disagree about the size", "do not trust this file"),
    Verdict.truncated: Meaning("the file ends too early", "copy it again"),
    Verdict.too_large: Meaning("larger than max_megapixels or max_megavoxels", "raise it if the file is yours"),
    Verdict.decoder_error: Meaning("the decoder refused it or died", "export it in another transfer syntax"),
    Verdict.not_finite: Meaning("NaN or infinite voxels", "ask who made it"),
    Verdict.timeout: Meaning("took longer than timeout_s", "raise it if the file is yours"),
    Verdict.memory: Meaning("took more memory than memory_limit_mb", "raise it if the file is yours"),
    Verdict.missing_patient: Meaning(
        "DICOM without PatientID", "missing_patient: by_study, or name the patient in the labels"
    ),
    Verdict.duplicate: Meaning("same instance and same pixels as a file before it"),
    Verdict.outside_root: Meaning("a manifest's path leads out of its folder", "move the manifest up"),
    Verdict.symlink: Meaning("a symbolic link", "point to the real file"),
    Verdict.special_file: Meaning("a FIFO, socket or device"),
    Verdict.missing_file: Meaning("named by a manifest, but absent", "correct the manifest"),
    Verdict.unreadable: Meaning("permission, disk or connection error", "check permissions"),
}


def counted(verdicts: Mapping[str, int]) -> Iterator[tuple[str, int, Meaning]]:
    """Verdict, number of files and meaning: accepted first, then the most frequent."""
    for name, count in sorted(verdicts.items(), key=lambda item: (item[0] != Verdict.accepted, -item[1], item[0])):
        yield name, count, MEANINGS[Verdict(name)]
