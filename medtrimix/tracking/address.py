"""The address of MLflow, as a pipeline file or a command names it: what may stand in it, and what may not."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from medtrimix.errors import InputError

SQLITE = "sqlite:///"
_SERVERS = ("http", "https")
_DATABASES = ("postgresql", "mysql", "mssql")


def require_usable(uri: str) -> None:
    """Looks at an address without asking anybody.

    Raises:
        InputError: MLflow can't write to such an address, or it holds credentials. It is not repeated.
    """
    try:
        address = urlsplit(uri)
        address.port  # noqa: B018 - raises if it is no number
    except ValueError:
        address = urlsplit("no-address:")
    scheme = address.scheme.partition("+")[0]
    if scheme in ("", "file"):
        raise _unusable("MLflow no longer writes runs to a folder.", fix=f"Use {SQLITE}path/to/mlflow.db.")
    if scheme == "sqlite":
        if not uri.startswith(SQLITE) or not Path(uri.removeprefix(SQLITE)).name:
            raise _unusable("This names no SQLite file.", fix=f"Write {SQLITE}path/to/mlflow.db.")
        return
    if scheme not in (*_SERVERS, *_DATABASES) or (scheme in _SERVERS and not address.hostname):
        raise _unusable(
            "MLflow writes to no such address.",
            fix=f"Use https://host, {SQLITE}path/to/mlflow.db or a database ({', '.join(_DATABASES)}).",
        )
    if scheme in _SERVERS and "@" in address.netloc:
        raise _unusable(
            "The address holds credentials, which do not belong in it.",
            fix="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, instead.",
        )
    if address.password is not None:
        raise _unusable(
            "The address holds a password, which does not belong in it.",
            fix="Leave it to what the database's driver reads itself, such as PGPASSWORD or ~/.pgpass.",
        )


def _unusable(what: str, *, fix: str) -> InputError:
    return InputError(what, where="MLflow's address", fix=fix)
