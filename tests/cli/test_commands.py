"""The commands as they are typed: output, errors and exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medtrimix import __version__
from medtrimix.cli import main


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit code of `medtrimix words...`."""
    monkeypatch.setattr("sys.argv", ["medtrimix", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == __version__


def test_schema_is_json_with_every_section(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, "schema") == 0
    sections = json.loads(capsys.readouterr().out)["properties"]
    assert {"name", "seed", "data", "split", "pretrain", "learn", "evaluate", "compute", "tracking"} <= sections.keys()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "absent.yaml"], "There is no file"),
        (["check", "absent.yaml"], "There is no file"),
        (["check", "study.yaml", "--set", "seed"], "a.b=c"),
        (["check", "study.yaml", "--set", "seed=-1"], "seed"),
        (["run", "study.yaml", "--workspace", "full/file"], "workspace can't be made"),
        (["results"], "no results yet"),
        (["ui"], "Nothing was recorded"),
        (["demo-data", "full"], "not empty"),
        (["demo-data", "/proc/x"], "can't be made: No such file"),
    ],
)
def test_bad_input_is_told_in_one_message_with_code_2(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(
        "name: study\ndata: {source: phantom}\npretrain:\n  arms:\n    scratch: {method: none}\n"
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert typed(monkeypatch, *words) == 2
    error = capsys.readouterr().err
    assert told in error.replace("\n", " ")
    assert "Traceback" not in error
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(
    ("words", "column", "pipeline"),
    [([], "path", "chest_xray.yaml"), (["--kind", "ct"], "series_uid", "phantom_ct.yaml")],
    ids=["radiographs", "ct"],
)
def test_demo_data_is_a_folder_that_ingest_reads(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    column: str,
    pipeline: str,
) -> None:
    folder = tmp_path / "demo"
    assert typed(monkeypatch, "demo-data", str(folder), "--patients", "3", *words) == 0
    assert (folder / "labels.csv").read_text().startswith(f"{column},patient_id,label\n")
    assert f"medtrimix run pipelines/{pipeline} --set data.source=" in capsys.readouterr().out


@pytest.mark.parametrize(("leave", "code"), [("medtrimix.cli._exit(1)", 1), ("sys.exit(1)", -signal.SIGINT)])
def test_the_exit_code_survives_a_ctrl_c_in_an_import(tmp_path: Path, leave: str, code: int) -> None:
    """With its companion: without care, CPython ends `python -m` by the signal."""
    (tmp_path / "interrupted.py").write_text(
        "import medtrimix.cli, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n"
        "    exec('import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)')\n"
        "except KeyboardInterrupt:\n"
        f"    {leave}\n"
    )
    done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, check=False)
    assert done.returncode == code
