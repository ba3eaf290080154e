"""What became of a file: one code per file, and the code is all that leaves the process that looked at it."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """`accepted`, or the one reason why a file is not among the samples."""

    accepted = "accepted"
    # Not an image
    not_an_image = "not_an_image"  # some other kind of file, or a DICOM object that holds no picture (dose, segments)
    not_dicom = "not_dicom"  # named like DICOM, but is not
    no_pixels = "no_pixels"  # DICOM without pixel data: reports, plans, directories; the header half of a NIfTI pair
    # Images of a kind that is not read
    unsupported_syntax = "unsupported_syntax"  # transfer syntax without decoder; also deflated, which may be a bomb
    unsupported_pixels = "unsupported_pixels"  # floats in DICOM, complex numbers, unknown colour models
    unsupported_multiframe = "unsupported_multiframe"  # several frames, while `data.frames` says `refuse`
    unsupported_4d = "unsupported_4d"  # several volumes in one file, while `data.volume.fourth_axis` says otherwise
    is_volume = "is_volume"  # a volume, while `data.volume` is not set
    no_volume = "no_volume"  # a single picture, while `data.volume` is set
    excluded = "excluded"  # it has a flag that `data.exclude` names
    # Slices that make no volume
    localizer = "localizer"  # a scout image among the slices
    no_position = "no_position"  # nothing says where in the patient it lies
    gap = "gap"  # slices are missing: the distance between neighbours differs by more than 1% of the median
    tilt = "tilt"  # the gantry was tilted: slices are sheared against each other by more than 0.1 degree
    mixed_geometry = "mixed_geometry"  # slices at one position with different pixels, and nothing tells them apart
    too_few_slices = "too_few_slices"  # fewer than `data.volume.min_slices`
    incomplete = "incomplete"  # another slice of its volume was refused
    # Damaged or hostile
    invalid_header = "invalid_header"  # attributes missing or contradicting the standard
    size_mismatch = "size_mismatch"  # header and compressed stream disagree about the size
    truncated = "truncated"
    too_large = "too_large"
    decoder_error = "decoder_error"
    not_finite = "not_finite"  # NaN or infinite voxels
    timeout = "timeout"
    memory = "memory"
    # Identity
    missing_patient = "missing_patient"
    duplicate = "duplicate"  # same SOP instance and same pixels as a file before it
    # Where it lies
    outside_root = "outside_root"
    symlink = "symlink"
    special_file = "special_file"  # FIFO, socket, device
    missing_file = "missing_file"  # named by a manifest, but absent
    unreadable = "unreadable"  # permission or disk error


class Refused(Exception):
    """Ends the reading of one file. It holds the verdict and nothing else, so nothing else can leak with it."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(verdict)
