"""Opening MLflow: without telemetry, without leaks, and with a database that is created once."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"


def sqlite_uri(folder: Path) -> str:
    """Address of the SQLite file that a study uses when nothing else is asked for."""
    return f"{_SQLITE}{folder.resolve() / 'mlflow.db'}"


def sqlite_file(uri: str) -> Path | None:
    """The file behind a SQLite address; None for other addresses."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def quiet_environment() -> dict[str, str]:
    """Settings that must be in the environment before MLflow is imported or its server started."""
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # workers for language-model jobs that nobody asked for
    }


def connect(uri: str, *, artifact_root: Path | None) -> MlflowClient:
    """A client for `uri`; a missing SQLite database is created and migrated first, by one process at a time.

    Raises:
        InputError: the address is not one that MLflow can write to.
    """
    os.environ.update(quiet_environment())
    if uri.startswith(_SQLITE):
        _create_database(Path(uri.removeprefix(_SQLITE)), uri=uri, artifact_root=artifact_root)
    elif "://" not in uri or uri.startswith("file:"):
        raise InputError(
            "MLflow no longer writes runs to a folder.", where="tracking.uri", fix="Use sqlite:///path/to/mlflow.db."
        )
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _create_database(path: Path, *, uri: str, artifact_root: Path | None) -> None:
    """Two processes that migrate one fresh file crash each other, hence the lock; a ready file costs milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # 60 lines of migrations are no news to the user
    with alone(uri):
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        # Without a root of its own the store writes the current directory into the database.
        SqlAlchemyStore(uri, str(artifact_root or path.parent / "artifacts"))  # type: ignore[no-untyped-call]


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """Keeps other processes that write to the same SQLite file waiting; a server has no such lock.

    The lock is on the file's folder, and the kernel releases it however the process ends.
    """
    if not uri.startswith(_SQLITE):
        yield
        return
    handle = os.open(Path(uri.removeprefix(_SQLITE)).parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
