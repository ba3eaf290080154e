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
from medtrimix.tracking.address import SQLITE, require_usable

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""Of the first question. Later ones come with MLflow's own patience, minutes: by then there is work to lose."""


def sqlite_uri(folder: Path) -> str:
    """Address of the SQLite file that a study uses when nothing else is asked for."""
    return f"{SQLITE}{folder.resolve() / 'mlflow.db'}"


def sqlite_file(uri: str) -> Path | None:
    """The file behind a SQLite address; None for other addresses."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


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
        InputError: the address is not one that MLflow can write to, or nobody answers there.
    """
    require_usable(uri)
    with telling_why():
        from mlflow import MlflowClient

        if uri.startswith(SQLITE):
            _create_database(Path(uri.removeprefix(SQLITE)), uri=uri, artifact_root=artifact_root)
            return MlflowClient(tracking_uri=uri)
        with _impatient():
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
        return client


@contextmanager
def telling_why() -> Iterator[None]:
    """Turns what is raised where MLflow can't be opened into one clear error; the original's text has the address.

    Raises:
        InputError: see above.
    """
    os.environ.update(quiet_environment())
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        what = f"The driver of this database is not installed ({error.name})."
    except OSError as error:
        what = f"MLflow's database can't be opened: {error.strerror or type(error).__name__}."
    except (MlflowException, SQLAlchemyError) as error:
        what = f"MLflow can't be opened ({type(error).__name__})."
    else:
        return
    raise InputError(
        what,
        where="MLflow's address",
        fix="Check it (tracking.uri or --tracking-uri), that a server or database of MLflow is there, and that you may "
        "write to it; user and password come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
    )


@contextmanager
def _impatient() -> Iterator[None]:
    """One try of seconds, unless the user has set other bounds."""
    ours = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


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
    if not uri.startswith(SQLITE):
        yield
        return
    handle = os.open(Path(uri.removeprefix(SQLITE)).parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
