"""`medtrimix ui`: MLflow's pages for the runs of a workspace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from medtrimix.cli.console import out
from medtrimix.config.files import read_json
from medtrimix.errors import InputError, StepFailed


def serve(workspace: Path, *, port: int) -> None:
    """Starts the server and waits for it; Ctrl-C ends both.

    Raises:
        InputError: nothing was recorded in this workspace.
        StepFailed: the server could not start.
    """
    from medtrimix.tracking.connection import quiet_environment, sqlite_uri
    from medtrimix.tracking.ui import links, server_command

    folder = workspace / "mlflow"
    if not (folder / "mlflow.db").is_file():
        raise InputError("Nothing was recorded here yet.", where=str(workspace), fix="medtrimix run PIPELINE first.")
    base = f"http://127.0.0.1:{port}"
    for marker in sorted((workspace / "results").glob("*/published.json")):
        facts = read_json(marker)
        if not facts["local"]:
            continue  # recorded on another server, whose pages are there
        pages = links(base, experiment_id=facts["experiment_id"], run_id=facts["run_id"])
        out.print(f"[bold]{marker.parent.name}[/]")
        for name in ("study", "report", "cells", "curves"):
            out.print(f"  {name:7} {getattr(pages, name)}", soft_wrap=True)
    out.print("Ctrl-C stops the server.")
    command = server_command(sqlite_uri(folder), port=port, artifact_root=folder / "artifacts")
    server = subprocess.Popen(command, env={**os.environ, **quiet_environment()})  # noqa: S603 (our own words)
    try:
        code = server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
        return
    if code:
        raise StepFailed(f"MLflow's server ended with code {code}.", fix="Is the port taken? Try --port 5001.")
