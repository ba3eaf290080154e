"""Addresses of MLflow that can't be used: told at once, in words, and without repeating what may be a secret."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from medtrimix.errors import InputError
from medtrimix.tracking import connection
from medtrimix.tracking.connection import connect, sqlite_uri
from medtrimix.tracking.options import TrackingOptions
from medtrimix.tracking.store import Tracker

NEVER = [
    ("", "sqlite:///"),
    ("mlruns", "no longer writes runs to a folder"),
    ("file:///canary/mlruns", "no longer writes runs to a folder"),
    ("foo://canary", "no such address"),
    ("http://", "no such address"),
    ("http://canary:port", "no such address"),
    ("https://[canary", "no such address"),
    ("databricks://canary", "no such address"),
    ("sqlite://canary/mlflow.db", "no SQLite file"),
    ("sqlite:///", "no SQLite file"),
    ("https://user:canary@mlflow.example.org", "MLFLOW_TRACKING_PASSWORD"),
    ("https://canary@mlflow.example.org", "MLFLOW_TRACKING_PASSWORD"),
    ("postgresql+psycopg2://user:canary@db/mlflow", "PGPASSWORD"),
]


@pytest.mark.parametrize(("uri", "complaint"), NEVER)
def test_what_no_mlflow_can_have_is_refused_by_the_file_and_by_the_command(uri: str, complaint: str) -> None:
    with pytest.raises(ValidationError) as in_file:
        TrackingOptions(uri=uri)
    with pytest.raises(InputError) as opened:
        connect(uri, artifact_root=None)
    for message in (in_file.value.errors()[0]["msg"], str(opened.value)):
        assert complaint in message
        assert "canary" not in message


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "sqlite:///relative/mlflow.db",
        "sqlite:////absolute/mlflow.db",
        "http://127.0.0.1:5000",
        "https://mlflow.example.org/prefix",
        "postgresql+psycopg2://user@db:5432/mlflow",
        "mysql://db/mlflow",
    ],
)
def test_what_it_can_have_is_taken(uri: str | None) -> None:
    assert TrackingOptions(uri=uri).uri == uri


@pytest.fixture
def deaf() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _refused(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        Tracker.open(uri, experiment="x", artifact_root=None)
    return str(caught.value)


def test_a_server_that_is_not_there_or_deaf_is_told_soon(deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection._PATIENCE, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    began = time.monotonic()
    for uri in ("http://127.0.0.1:9", deaf):  # nobody listens at the first
        message = _refused(uri)
        assert "can't be opened" in message
        assert uri not in message
    assert time.monotonic() - began < 60, "MLflow's own patience is more than 120 s for each"
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ, "later questions have MLflow's own patience"


def test_a_database_that_can_not_be_opened_is_told(tmp_path: Path) -> None:
    assert "No such file or directory" in _refused("sqlite:////proc/canary/mlflow.db")
    text = tmp_path / "canary.db"
    text.write_text("this is not a database" * 100)
    for message in (_refused(sqlite_uri(Path("/proc/canary"))), _refused(f"sqlite:///{text}")):
        assert "can't be opened" in message
        assert "canary" not in message


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    assert "not installed (psycopg2" in _refused("postgresql+psycopg2://canary@127.0.0.1:9/mlflow")
