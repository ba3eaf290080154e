"""Files of runs, brought back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from medtrimix.errors import InputError
from medtrimix.tracking.connection import connect, sqlite_file


def fetch_folder(uri: str, *, run_id: str, folder: str, out: Path) -> None:
    """Copies a folder of a run's files to `out`, which is there as a whole or not at all.

    Args:
        uri: see `TrackingOptions`.
        run_id: of any experiment.
        folder: its name among the run's files.
        out: must not hold anything that is wanted.

    Raises:
        InputError: no such database, run or folder, or the server does not answer.
    """
    file = sqlite_file(uri)
    if file is not None and not file.is_file():
        raise InputError("There is no MLflow database here.", fix="Set tracking.uri to the one that has the run.")
    client = connect(uri, artifact_root=None)
    from mlflow.exceptions import MlflowException

    part = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    part.mkdir(parents=True, exist_ok=True)
    try:
        client.get_run(run_id)  # an unknown run and one without such files are told apart
        if not client.list_artifacts(run_id, folder):
            raise InputError(
                f"The MLflow run has no folder '{folder}'.",
                fix="Take the run of a pretraining ('pretrain ARM'), not that of a study or a cell.",
            )
        client.download_artifacts(run_id, folder, str(part))
        shutil.rmtree(out, ignore_errors=True)
        (part / folder).replace(out)
    except (MlflowException, OSError) as error:  # its message has addresses and paths
        raise InputError(
            f"The MLflow run can't be read ({type(error).__name__}).",
            fix="Check its id, and that tracking.uri is the address where it was recorded.",
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
