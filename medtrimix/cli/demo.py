"""`medtrimix demo-data`: a folder like a hospital's export, of patients who never were."""

from __future__ import annotations

from pathlib import Path

from medtrimix.cli.console import out
from medtrimix.errors import InputError


def write_demo(folder: Path, *, patients: int, seed: int) -> None:
    """Writes the export.

    Raises:
        InputError: the folder is there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("The folder is not empty.", where=str(folder), fix="Give the name of a new one.")
    from rich.progress import Progress

    from medtrimix.phantom.dicom import write_dicom_tree
    from medtrimix.phantom.options import PhantomOptions

    with Progress(console=out, transient=True) as bars:
        bar = bars.add_task("patients", total=patients)
        write_dicom_tree(
            folder,
            options=PhantomOptions(patients=patients),
            seed=seed,
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    out.print(f"{patients} made-up patients are in {folder}. To learn from them:", soft_wrap=True)
    out.print(
        f"  medtrimix run pipelines/chest_xray.yaml --set data.source={folder} --set data.labels={folder}/labels.csv",
        soft_wrap=True,
        markup=False,
    )
