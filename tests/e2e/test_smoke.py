"""The whole chain on the smallest study: what it leaves, and that nothing is done twice."""

from __future__ import annotations

import csv
import math
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.study import ComputeOptions

from .conftest import REPO, SMOKE, Ran, done_markers, environment, medtrimix, results


def test_every_cell_has_its_row_with_an_interval(smoke: Ran) -> None:
    rows = list(csv.DictReader((smoke.workspace / "results" / "smoke" / "results.csv").read_text().splitlines()))
    cells = {(row["arm"], row["strategy"], row["budget"], row["label_seed"]) for row in rows}
    assert len(rows) == len(cells) == 2 * 2 * 2 * 2
    for row in rows:
        low, value, high = (float(row[name]) for name in ("auc_low", "auc", "auc_high"))
        assert 0 <= low <= high <= 1
        assert math.isfinite(value)
        assert int(row["n_test"]) > int(row["n_patients"]) > 0


def test_the_table_is_printed(smoke: Ran) -> None:
    for word in (
        "AUC [95% interval]",
        "trimix",
        "scratch",
        "linear",
        "finetune",
        "5 per class",
        "100%",
        "Plan of smoke",
    ):
        assert word in smoke.output


def test_mlflow_has_the_study_its_pretraining_and_its_cells(smoke: Ran) -> None:
    with closing(sqlite3.connect(smoke.workspace / "mlflow" / "mlflow.db")) as database:
        kinds = dict(database.execute("select value, count(*) from tags where key = 'medtrimix.kind' group by value"))
        statuses = {status for (status,) in database.execute("select distinct status from runs")}
        [(curve,)] = database.execute("select count(*) from metrics where key = 'extraction'")
        [(parent,)] = database.execute("select run_uuid from tags where key = 'medtrimix.kind' and value = 'study'")
    assert kinds == {"study": 1, "pretrain": 2, "cell": 16, "summary": 2}
    assert statuses == {"FINISHED"}
    assert curve > 5
    files = {
        path.name for path in (smoke.workspace / "mlflow" / "artifacts").glob(f"**/{parent}/**/*") if path.is_file()
    }
    assert {"audit.html", "audit.json"} <= files
    assert {"report.html", "results.csv", "results.json", "config.yaml", "environment.json"} <= files
    assert {"learning_curve.png", "label_efficiency.png", "roc.png", "calibration.png", "flow.png"} <= files
    assert {"embedding.png", "examples.png", "saliency.png", "loss.png", "views.png"} <= files


def test_the_same_command_does_nothing_quickly_and_without_torch(smoke: Ran) -> None:
    before = done_markers(smoke.workspace)
    probe = (
        "import sys, runpy\n"
        f"sys.argv = ['medtrimix', 'run', {str(SMOKE)!r}, '--workspace', {str(smoke.workspace)!r}]\n"
        "try:\n    runpy.run_module('medtrimix', run_name='__main__')\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('LOADED', [name for name in ('torch', 'monai', 'mlflow', 'pandas') if name in sys.modules])\n"
    )
    started = time.process_time(), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPO,
        env=environment(smoke.workspace),
    )
    assert "LOADED []" in done.stdout
    assert "AUC [95% interval]" in done.stdout
    assert done_markers(smoke.workspace) == before
    assert time.monotonic() - started[1] < 30  # a hang guard; the promised 3 seconds are for an idle machine


def test_one_more_label_seed_trains_only_the_new_cells(smoke: Ran, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(smoke.workspace, workspace)
    shutil.copy(smoke.workspace.parent / "site.secret", tmp_path)
    before = done_markers(workspace)
    ran = medtrimix("run", SMOKE, "--set", "learn.label_seeds=3", workspace=workspace)
    assert ran.code == 0, ran.output
    after = done_markers(workspace)
    assert before.items() <= after.items()
    new = [name.split("/")[1] for name in after.keys() - before.keys()]
    assert sorted(new) == ["audit"] + ["evaluate"] * 8 + ["learn"] * 8, "and looks at their labelled subsets"
    assert {summary["label_seeds"] for summary in results(workspace)["summaries"]} == {3}  # type: ignore[attr-defined,index]


def test_a_lost_output_is_made_again_and_is_the_same(smoke: Ran, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(smoke.workspace, workspace)
    shutil.copy(smoke.workspace.parent / "site.secret", tmp_path)
    lost = next((workspace / "steps" / "embed").glob("*/features.npy"))
    expected = lost.read_bytes()
    lost.unlink()
    assert medtrimix("run", SMOKE, workspace=workspace).code == 0
    assert lost.read_bytes() == expected


def test_the_number_of_workers_changes_no_bit(smoke: Ran, tmp_path: Path) -> None:
    """Nor does it change the threads of each, on which sums depend in their last bits."""
    shutil.copy(smoke.workspace.parent / "site.secret", tmp_path)
    other = 1 if resolve(ComputeOptions()).workers > 1 else 2
    ran = medtrimix("run", SMOKE, "--set", f"compute.workers={other}", workspace=tmp_path / "workspace")
    assert ran.code == 0, ran.output
    encoders = sorted((smoke.workspace / "steps" / "pretrain").glob("*/encoder.safetensors"))
    cells = sorted((smoke.workspace / "steps" / "learn").glob("*/test.npz"))
    assert (len(encoders), len(cells)) == (2, 16)
    for path in encoders:
        assert (ran.workspace / path.relative_to(smoke.workspace)).read_bytes() == path.read_bytes()
    for path in cells:
        said, again = np.load(path), np.load(ran.workspace / path.relative_to(smoke.workspace))
        for name in said.files:
            np.testing.assert_array_equal(again[name], said[name])


def test_the_report_asks_for_nothing_outside(smoke: Ran) -> None:
    page = (smoke.workspace / "results" / "smoke" / "report.html").read_text()
    for mark in ('src="http', "src='http", '<link rel="stylesheet"', "@import", "url(http"):
        assert mark not in page
    assert len(page) > 50_000


def test_the_whole_chain_opens_no_connection(tmp_path: Path) -> None:
    """Every process of a run refuses to connect: the hook sits in a `sitecustomize` that workers load too."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "_connect = socket.socket.connect\n"
        "def connect(self, address):\n"
        "    if isinstance(address, tuple):\n"
        f"        open({str(tmp_path / 'tried')!r}, 'a').write(repr(address))\n"
        "        raise OSError('no network')\n"
        "    return _connect(self, address)\n"
        "socket.socket.connect = connect\n"
        "def resolve(*arguments, **keywords):\n"
        f"    open({str(tmp_path / 'tried')!r}, 'a').write(repr(arguments))\n"
        "    raise OSError('no network')\n"
        "socket.getaddrinfo = resolve\n"
    )
    ran = medtrimix("run", SMOKE, workspace=tmp_path / "workspace", env={"PYTHONPATH": str(tmp_path)})
    assert ran.code == 0, ran.output
    assert not (tmp_path / "tried").exists(), (tmp_path / "tried").read_text()


def test_the_guard_against_connections_can_fail(tmp_path: Path) -> None:
    """A process with the same hook is caught when it looks up a host."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def resolve(*arguments, **keywords):\n"
        "    raise OSError('no network')\n"
        "socket.getaddrinfo = resolve\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import urllib.request; urllib.request.urlopen('http://example.org')"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(tmp_path / "workspace") | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode != 0
    assert "no network" in done.stderr
