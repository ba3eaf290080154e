"""Files of runs come back as a whole, or an error says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from medtrimix.errors import InputError
from medtrimix.tracking.artifacts import fetch_folder
from medtrimix.tracking.connection import sqlite_uri
from medtrimix.tracking.record import RunRecord
from medtrimix.tracking.store import Tracker


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Address and id of a run that has a folder `encoder`."""
    root = tmp_path_factory.mktemp("CANARY")
    for name in ("a", "b"):
        (root / name).write_text(name)
    uri = sqlite_uri(root / "mlflow")
    tracker = Tracker.open(uri, experiment="study", artifact_root=root / "artifacts")
    parent = tracker.start_parent(name="study", digest="d", params={})
    record = RunRecord(artifacts=((root / "a", "encoder"), (root / "b", "encoder"), (root / "a", "")))
    return uri, tracker.log_child(parent, task_key="k", name="pretrain", kind="pretrain", record=record)


def test_a_folder_comes_back(run: tuple[str, str], tmp_path: Path) -> None:
    fetch_folder(run[0], run_id=run[1], folder="encoder", out=tmp_path / "fetched" / "it")
    assert {path.name: path.read_text() for path in (tmp_path / "fetched" / "it").iterdir()} == {"a": "a", "b": "b"}
    assert [path.name for path in (tmp_path / "fetched").iterdir()] == ["it"], "nothing is left beside it"


@pytest.mark.parametrize(
    ("run_id", "folder", "message"),
    [
        (None, "nothing", "has no folder 'nothing'. Take the run of a pretraining"),
        (32 * "0", "encoder", "can't be read"),
    ],
)
def test_what_is_not_there(run: tuple[str, str], tmp_path: Path, run_id: str | None, folder: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        fetch_folder(run[0], run_id=run_id or run[1], folder=folder, out=tmp_path / "it")
    assert list(tmp_path.iterdir()) == []
    assert "CANARY" not in str(caught.value)


def test_no_database_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no MLflow database here"):
        fetch_folder(sqlite_uri(tmp_path / "mlflow"), run_id=32 * "0", folder="encoder", out=tmp_path / "it")
    assert list(tmp_path.iterdir()) == []
