"""The `tracking:` section of a pipeline file."""

from __future__ import annotations

from pydantic import field_validator

from medtrimix.config.model import Config
from medtrimix.errors import InputError
from medtrimix.tracking.address import require_usable


class TrackingOptions(Config):
    """Where runs are recorded.

    Attributes:
        uri: `sqlite:///path/mlflow.db`, a database, or a tracking server's `http(s)://` address; None puts a SQLite
            file beside the results.
        experiment: the name in MLflow under which studies are listed; None takes the study's own name.
    """

    uri: str | None = None
    experiment: str | None = None

    @field_validator("uri")
    @classmethod
    def _usable(cls, uri: str | None) -> str | None:
        if uri is not None:
            try:
                require_usable(uri)
            except InputError as error:
                raise ValueError(f"{error.what} {error.fix}") from None
        return uri
