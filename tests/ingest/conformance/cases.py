"""The table of conformance: what a medical image reader has to get right, each case with its truth.

Enrolled here, a case is tested by `test_conformance` and shown in `docs/conformance.md`.
"""

from __future__ import annotations

from case import Case
from cases_encodings import COLOUR, FRAMES, PHOTOGRAPHS, TRANSFER_SYNTAXES
from cases_enhanced import ENHANCED
from cases_grey import GREY
from cases_nifti import NIFTI
from cases_refused import DAMAGED, NO_PICTURES
from cases_volumes import GEOMETRY, NO_VOLUMES, ORDER, SEVERAL, VALUES

SECTIONS: dict[str, tuple[Case, ...]] = {
    "Transfer syntaxes": TRANSFER_SYNTAXES,
    "Colour": COLOUR,
    "Grey values": GREY,
    "Several frames": FRAMES,
    "PNG, JPEG, TIFF": PHOTOGRAPHS,
    "No pictures": NO_PICTURES,
    "Damaged": DAMAGED,
    "Order of slices": ORDER,
    "Geometry": GEOMETRY,
    "Values of volumes": VALUES,
    "Several volumes": SEVERAL,
    "Slices that make no volume": NO_VOLUMES,
    "Many slices in one file": ENHANCED,
    "NIfTI": NIFTI,
}
CASES = {case.name: case for section in SECTIONS.values() for case in section}
