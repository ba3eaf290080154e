"""The synthetic hospital export, of whichever kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medtrimix.phantom.ct_dicom import write_ct_tree
from medtrimix.phantom.dicom import write_dicom_tree
from medtrimix.phantom.options import CTOptions, PhantomOptions


def write_export(
    folder: Path,
    *,
    options: PhantomOptions | CTOptions,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Radiographs or CT series, their truth and their labels; see `write_dicom_tree` and `write_ct_tree`."""
    if isinstance(options, CTOptions):
        write_ct_tree(folder, options=options, seed=seed, progress=progress)
    else:
        write_dicom_tree(folder, options=options, seed=seed, progress=progress)
