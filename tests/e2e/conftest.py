"""The command line as users run it: in a process of its own, on the smallest study."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SMOKE = REPO / "pipelines" / "smoke.yaml"


@dataclass(frozen=True)
class Ran:
    """A finished command and the workspace that it wrote to."""

    workspace: Path
    code: int
    output: str


def medtrimix(*arguments: str | Path, workspace: Path, env: dict[str, str] | None = None) -> Ran:
    """Runs the command to its end."""
    done = subprocess.run(
        command(*arguments, workspace=workspace),
        capture_output=True,
        text=True,
        check=False,
        cwd=REPO,
        env=environment(workspace) | (env or {}),
    )
    return Ran(workspace, done.returncode, done.stdout + done.stderr)


def command(*arguments: str | Path, workspace: Path) -> list[str]:
    return [sys.executable, "-m", "medtrimix", *map(str, arguments), "--workspace", str(workspace)]


def environment(workspace: Path) -> dict[str, str]:
    """A secret beside the workspace, never the user's."""
    return {**os.environ, "MEDTRIMIX_SECRET_FILE": str(workspace.parent / "site.secret"), "COLUMNS": "160"}


def done_markers(workspace: Path) -> dict[str, str]:
    """Every finished task: its folder, and when and what it made."""
    return {
        str(path.parent.relative_to(workspace)): path.read_text()
        for path in sorted((workspace / "steps").glob("*/*/done.json"))
    }


def results(workspace: Path, study: str = "smoke") -> dict[str, object]:
    found: dict[str, object] = json.loads((workspace / "results" / study / "results.json").read_text())
    return found


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The smoke study, run once for all tests that only look."""
    ran = medtrimix("run", SMOKE, workspace=tmp_path_factory.mktemp("smoke") / "workspace")
    assert ran.code == 0, ran.output
    return ran
