"""What a reader of the quality page must know about a sample, and what `data.exclude` can leave out."""

from __future__ import annotations

from enum import StrEnum


class Flag(StrEnum):
    """One property of a file; several may hold. None of them makes an image unreadable."""

    for_processing = "for_processing"  # raw detector data (Presentation Intent Type FOR PROCESSING)
    secondary_capture = "secondary_capture"  # a screen shot, a scanned film, a photograph of a screen
    burned_in_text = "burned_in_text"  # the file itself says that text is burned into its pixels
    head = "head"  # a volume of a head, from which a face can be rendered
    no_orientation_code = "no_orientation_code"  # NIfTI with neither sform nor qform: left and right are a guess
    lossy = "lossy"  # compressed with loss
    no_patient_number = "no_patient_number"  # neither file nor labels say whose it is: a patient of its own, or a study
