"""The table of conformance beside MONAI's readers, as docs/conformance.md shows it.

    python benchmarks/conformance.py docs/conformance.md

Each reader reads every case of tests/ingest/conformance on its own. MONAI's are called directly: `LoadImage` would try
one reader after another until one of them says nothing against the file. They give values and leave the window to
their user, so for a picture they are right if any linear window makes the true picture out of their values.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

REPO = Path(__file__).resolve().parents[1]
sys.path.append(str(REPO / "tests" / "ingest" / "conformance"))

from case import Case  # noqa: E402
from cases import CASES, SECTIONS  # noqa: E402
from judge import RIGHT, Array, Content, Grid, difference, volumes_difference, window_difference  # noqa: E402
from readers import medtrimix  # noqa: E402

if TYPE_CHECKING:
    from monai.data import ImageReader

PACKAGES = ("monai", "itk", "SimpleITK", "pydicom", "nibabel", "numpy")


def of_medtrimix(case: Case, path: Path, truth: Content) -> str:
    """What medtrimix makes of a case."""
    try:
        verdict = difference(medtrimix(path, options=case.options), truth=truth)
    except Exception as error:
        return f"error: {type(error).__name__}"
    if verdict != RIGHT:
        return f"wrong: {verdict}"
    return f"right: {_reasons(truth)}" if truth.refused else RIGHT


def of_pydicom_reader(case: Case, path: Path, truth: Content) -> str:
    """What MONAI's PydicomReader makes of it, or its NibabelReader or PILReader of a file that is not DICOM."""
    from monai.data import NibabelReader, PILReader, PydicomReader

    kinds = {"NIfTI": NibabelReader, "PNG, JPEG, TIFF": PILReader}
    section = next(title for title, section in SECTIONS.items() if case in section)
    return _of_monai(kinds.get(section, PydicomReader)(), case, path, truth)


def of_itk_reader(case: Case, path: Path, truth: Content) -> str:
    """What MONAI's ITKReader makes of it."""
    from monai.data import ITKReader

    return _of_monai(ITKReader(), case, path, truth)


READERS: dict[str, Callable[[Case, Path, Content], str]] = {
    "medtrimix": of_medtrimix,
    "MONAI PydicomReader": of_pydicom_reader,
    "MONAI ITKReader": of_itk_reader,
}


def _of_monai(reader: ImageReader, case: Case, path: Path, truth: Content) -> str:
    expected = truth.otherwise or truth
    try:
        array, meta = reader.get_data(reader.read(str(path)))
    except BaseException as error:  # decoders in Rust raise what is no Exception
        return f"{'right' if truth.refused else 'error'}: {type(error).__name__}"
    if expected.pictures:
        verdict = _pictures(np.asarray(array), expected)
    elif expected.volumes:
        found = _grids(np.asarray(array), np.asarray(meta["affine"]))
        verdict = volumes_difference(found, expected.volumes, tolerance=expected.tolerance)
    else:
        size = "x".join(map(str, array.shape))
        return f"not judged: reads {size}" if case.is_our_rule else f"wrong: reads {size}"
    return verdict if verdict == RIGHT else f"wrong: {verdict}"


def _pictures(array: Array, truth: Content) -> str:
    """Each frame against the true picture."""
    frames = _frames(array, count=len(truth.pictures), colour=truth.pictures[0].ndim == 3)
    if frames is None:
        return f"axes of {'x'.join(map(str, array.shape))}"
    verdicts = [
        window_difference(frame, shown, tolerance=max(2, truth.tolerance))
        for frame, shown in zip(frames, truth.pictures, strict=True)
    ]
    return next((verdict for verdict in verdicts if verdict != RIGHT), RIGHT)


def _frames(array: Array, *, count: int, colour: bool) -> list[Array] | None:
    """`(H, W)` or `(H, W, 3)` pictures out of MONAI's (column, row, frame, channel); None if these are not its axes."""
    channels = array.shape[-1] if array.ndim > 2 and array.shape[-1] in (3, 4) and (colour or count == 1) else 0
    planes = array if channels else array[..., None]
    planes = planes[:, :, None] if planes.ndim == 3 else planes
    if planes.ndim != 4 or planes.shape[2] != count:
        return None
    frames = [planes[:, :, number].swapaxes(0, 1) for number in range(count)]
    return [frame[..., :3] if channels and colour else frame[..., 0] for frame in frames]


def _grids(array: Array, affine: Array) -> list[Grid]:
    """Volumes of (column, row, slice), or of these and time."""
    values = array.reshape(*array.shape, *[1] * (3 - array.ndim))
    values = values if values.ndim == 4 else values[..., None]
    return [Grid(values[..., time], affine) for time in range(values.shape[-1])]


def _reasons(truth: Content) -> str:
    return ", ".join(sorted(set(truth.refused)))


def read(reader: str, name: str) -> str:
    """One cell of the table; runs in a process of its own, since a decoder may take it along."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        path, truth = CASES[name].make(Path(folder))
        return READERS[reader](CASES[name], path, truth)


def column(reader: str) -> dict[str, str]:
    """One reader's cells for all cases."""
    cells: dict[str, str] = {}
    pool = ProcessPoolExecutor(1)
    for name in CASES:
        try:
            cells[name] = pool.submit(read, reader, name).result()
        except BrokenProcessPool:
            cells[name], pool = "error: the process died", ProcessPoolExecutor(1)
    pool.shutdown()
    return cells


def page(cells: dict[str, dict[str, str]]) -> str:
    """The page of the documentation."""
    today = date.today()
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    lines = [
        "# Conformance",
        "",
        f"What a reader of medical images has to get right: {len(CASES)} cases, each with its truth. The test",
        "`tests/ingest/conformance` holds medtrimix to all of them; the table shows MONAI's two readers beside it.",
        "",
        *_summary(cells),
        "",
        "- *Truth from* says who is believed. Pixels come from GDCM (through SimpleITK), whose decoders medtrimix does",
        "  not use, from a copy of the file that is not compressed, or from the making of the file. Grey values come",
        "  from pydicom's functions, geometry from SimpleITK, nibabel, or the making; nothing from medtrimix itself.",
        "- MONAI's readers give values and leave the window to their user. For a picture they are right if any linear",
        "  window makes the true picture out of their values; for a file that is to be refused, if they fail at all.",
        "- They are called directly. `LoadImage(reader=...)` tries other readers when the one it was given fails.",
        "- In the column of the PydicomReader, NIfTI is read by MONAI's NibabelReader, PNG and TIFF by its PILReader.",
        "- A folder is given to them as it is, as one series. *Error*: they fail where there is an image to read.",
        "- Where medtrimix refuses by a rule of its own (*documented*), reading the file all the same is not judged.",
        "",
        f"Made on {today:%d %B %Y} with `python benchmarks/conformance.py docs/conformance.md` on Python",
        f"{platform.python_version()}: {versions}.",
    ]
    for title, section in SECTIONS.items():
        lines += [
            "",
            f"## {title}",
            "",
            f"| case | truth from | {' | '.join(READERS)} |",
            f"|{'---|' * (len(READERS) + 2)}",
        ]
        for case in section:
            row = (case.name, case.truth_from, *(cells[reader][case.name] for reader in READERS))
            lines.append(f"| {' | '.join(text.replace('|', '/') for text in row)} |")
    return "\n".join(lines) + "\n"


def _summary(cells: dict[str, dict[str, str]]) -> list[str]:
    kinds = ("right", "wrong", "error", "not judged")
    lines = ["| reader | right | wrong, as if right | error | not judged |", "|---|---|---|---|---|"]
    for reader, texts in cells.items():
        counts = [sum(text.startswith(kind) for text in texts.values()) for kind in kinds]
        lines.append(f"| {reader} | {' | '.join(map(str, counts))} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="where the page goes")
    target = parser.parse_args().page
    target.write_text(page({reader: column(reader) for reader in READERS}))
