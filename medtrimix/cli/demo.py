"""`medtrimix demo-data`: a folder like a hospital's export, of patients who never were."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from medtrimix.cli.console import out
from medtrimix.errors import InputError

_PIPELINES = {"radiograph": "pipelines/chest_xray.yaml", "ct": "pipelines/phantom_ct.yaml"}


def write_demo(folder: Path, *, kind: Literal["radiograph", "ct"], patients: int, seed: int) -> None:
    """Writes the export of radiographs or of CT series.

    Raises:
        InputError: the folder is there already, or can't be made.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError("The folder is not empty.", where=str(folder), fix="Give the name of a new one.")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder can't be made: {error.strerror}.", where=str(folder), fix="Give one that you may write to."
        ) from None
    from rich.progress import Progress

    from medtrimix.phantom.export import write_export
    from medtrimix.phantom.options import CTOptions, PhantomOptions

    with Progress(console=out, transient=True) as bars:
        bar = bars.add_task("patients", total=patients)
        write_export(
            folder,
            options=CTOptions(patients=patients) if kind == "ct" else PhantomOptions(patients=patients),
            seed=seed,
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    out.print(f"{patients} made-up patients are in {folder}. To learn from them:", soft_wrap=True)
    out.print(
        f"  medtrimix run {_PIPELINES[kind]} --set data.source={folder} --set data.labels={folder}/labels.csv",
        soft_wrap=True,
        markup=False,
    )
