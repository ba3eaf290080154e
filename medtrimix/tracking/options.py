"""The `tracking:` section of a pipeline file."""

from __future__ import annotations

from medtrimix.config.model import Config


class TrackingOptions(Config):
    """Where runs are recorded.

    Attributes:
        uri: `sqlite:///path/mlflow.db`, a database, or a tracking server's `http(s)://` address; None puts a SQLite
            file beside the results.
        experiment: the name in MLflow under which studies are listed; None takes the study's own name.
    """

    uri: str | None = None
    experiment: str | None = None
