"""A second study starts from the first one's encoder, by file and by MLflow run: the embeddings are the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from .conftest import SMOKE, Ran, medtrimix


def test_a_study_starts_from_another_ones_encoder(smoke: Ran, tmp_path: Path) -> None:
    workspace, elsewhere = tmp_path / "workspace", tmp_path / "CANARY"
    shutil.copytree(smoke.workspace, workspace)
    shutil.copy(smoke.workspace.parent / "site.secret", tmp_path)
    with closing(sqlite3.connect(workspace / "mlflow" / "mlflow.db")) as database:
        [(run,)] = database.execute("select run_uuid from runs where name = 'pretrain trimix'")
    [first] = [marker for marker in workspace.glob("steps/pretrain/*/done.json") if _method(marker) == "trimix"]
    shutil.copytree(first.parent, elsewhere)
    before = set(workspace.glob("steps/embed/*/features.npy"))
    arms = {
        "file": {"method": "checkpoint", "weights": str(elsewhere / "encoder.safetensors")},
        "run": {"method": "checkpoint", "weights": f"mlflow-run:{run}"},
    }
    sets = [f"pretrain.arms={json.dumps(arms)}", "name=second", "learn.strategies=[linear]"]
    sets += ["learn.label_seeds=1", "pretrain.encoder={name: densenet121}"]
    ran = medtrimix("run", SMOKE, *(part for text in sets for part in ("--set", text)), workspace=workspace)
    assert ran.code == 0, ran.output
    assert "CANARY" not in ran.output
    made = [path.read_bytes() for path in set(workspace.glob("steps/embed/*/features.npy")) - before]
    assert len(made) == 1, "file and run have the same content, so they are one task"
    assert made[0] in [path.read_bytes() for path in before]
    _not_written(b"CANARY", below=workspace)


def _method(marker: Path) -> str:
    return str(json.loads(marker.read_text())["config"]["method"]["method"])


def _not_written(text: bytes, *, below: Path) -> None:
    assert [path for path in below.rglob("*") if path.is_file() and text in path.read_bytes()] == []
