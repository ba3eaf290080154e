"""The phantom as a folder that could have come out of a hospital's archive."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from medtrimix.config.files import replacing
from medtrimix.errors import SourceError
from medtrimix.phantom.cohort import appointments, stream
from medtrimix.phantom.encodings import shown, store
from medtrimix.phantom.header import patient_id, write_dicom
from medtrimix.phantom.options import PhantomOptions
from medtrimix.phantom.person import person
from medtrimix.phantom.radiograph import radiograph


def write_dicom_tree(
    folder: Path,
    *,
    options: PhantomOptions,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the cohort's images, `truth.csv` and, last, `labels.csv`; the same seed writes the same bytes.

    `labels.csv` has the columns path, patient_id, label. `truth.csv` has path, encoding, pixel_sha256: the digest of
    the 8-bit picture (row by row) that a correct reader shows.

    Args:
        folder: must be empty or absent.
        options: the cohort.
        seed: decides everything else.
        progress: called with (images written, images in all) after each image.

    Raises:
        SourceError: there is something in the folder already.
    """
    make_empty(folder)
    plan = list(appointments(options, seed=seed))
    truth = [("path", "encoding", "pixel_sha256")]
    for done, appointment in enumerate(plan, start=1):
        brightness_HW = radiograph(appointment, options=options, seed=seed)
        grey = stream(seed, "window", appointment.patient, appointment.image)
        stored = store(brightness_HW, grey, encoding=appointment.how)
        path = folder / appointment.path
        path.parent.mkdir(parents=True, exist_ok=True)
        female = person(appointment.patient, variety=options.anatomy_variety, seed=seed).female
        write_dicom(path, stored, appointment=appointment, female=female, image_px=options.image_px, seed=seed)
        digest = hashlib.sha256(shown(stored, encoding=appointment.how).tobytes()).hexdigest()
        truth.append((appointment.path, appointment.encoding, digest))
        if progress is not None:
            progress(done, len(plan))
    labels = [(one.path, patient_id(one.patient), one.label) for one in plan]
    write_csv(folder / "truth.csv", truth)
    write_csv(folder / "labels.csv", [("path", "patient_id", "label"), *labels])


def make_empty(folder: Path) -> None:
    """Makes the folder, unless it is there and empty.

    Raises:
        SourceError: there is something in it already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SourceError("The folder for the phantom is not empty.", fix="Give an empty folder or a new one.")


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Writes a table, its heading first, all or nothing."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
