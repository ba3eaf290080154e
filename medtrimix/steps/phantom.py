"""Writes the synthetic hospital export that a study without data of its own learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medtrimix.config import model
from medtrimix.phantom.options import AnyPhantom
from medtrimix.steps.context import Context


class Config(model.Config):
    """The phantom's options and its seed."""

    options: AnyPhantom
    seed: int


@dataclass(frozen=True)
class Inputs:
    """None: the phantom is made from its seed."""


def export_folder(folder: Path) -> Path:
    """The folder of DICOM files, as a PACS would export them."""
    return folder / "export"


def labels_file(folder: Path) -> Path:
    """The label table beside them."""
    return export_folder(folder) / "labels.csv"


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:  # noqa: ARG001 (no inputs)
    """Writes the export."""
    from medtrimix.phantom.export import write_export

    def progress(done: int, total: int) -> None:
        context.recorder.progress(done, total, unit="series" if config.options.kind == "ct" else "images")

    write_export(export_folder(out), options=config.options, seed=config.seed, progress=progress)
    context.recorder.params["patients"] = config.options.patients
