"""Identifiers in every text element, nested, private, in names and headers: none of them comes out of any command.

Everything logs at its most talkative level into a file that is searched too, in the decoding processes as well.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from medtrimix.config.files import read_json

from .conftest import environment
from .planted import plant
from .search import IDENTIFIERS, leaks

_TALKATIVE = """
import logging, os, warnings
logging.basicConfig(level=logging.DEBUG, filename=os.environ["TALK"], force=True)
logging.captureWarnings(True)
warnings.simplefilter("always")
import pydicom.config
pydicom.config.debug(True)
"""
"""Runs at the start of every Python process (`sitecustomize`)."""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    root = tmp_path_factory.mktemp("planted") / "CANARY-export"
    return root, plant(root)


def _talkative(folder: Path, *, left: Path) -> dict[str, str]:
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_TALKATIVE)
    env = environment(left / "workspace") | {"TALK": str(left / "talk.log"), "PYTHONWARNINGS": "always"}
    return env | {"PYTHONPATH": str(folder), "TMPDIR": str(left)}


def _left_by(*arguments: str | Path, folder: Path) -> Path:
    """Everything that a command leaves, in files and on the terminal."""
    left = folder / "left"
    left.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "medtrimix", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=left,
        env=_talkative(folder / "site", left=left),
    )
    (left / "terminal.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (left / "talk.log").stat().st_size > 0, "nothing logged: the test would prove nothing"
    return left


PATTERNS = {**IDENTIFIERS, "address": rb"canary\.example", "key": rb"MRN0001"}


@pytest.mark.parametrize("volumes", [False, True], ids=["pictures", "volumes"])
def test_nothing_comes_out_of_ingest(export: tuple[Path, int], tmp_path: Path, volumes: bool) -> None:
    source, files = export
    labels = tmp_path / "CANARY-labels.csv"
    labels.write_text("patient_id,label\nMRN0000,sick\nMRN0002,sick\nMRN0001,well\n")
    how = ["--set", "volume={size: [8, 16, 16]}"] if volumes else ["--set", "image_size=[32, 32]"]
    left = _left_by("ingest", source, "--labels", labels, "--out", "out", *how, folder=tmp_path)
    assert leaks(left, patterns=PATTERNS | {"place": re.escape(str(source)).encode()}) == set()
    assert leaks(left, patterns={"class": b"sick"}), "the search saw too little"
    verdicts = read_json(left / "out" / "verdicts.json")
    assert sum(verdicts.values()) == files
    assert verdicts["accepted"] >= (7 if volumes else 9), verdicts


def test_the_processes_do_talk(export: tuple[Path, int], tmp_path: Path) -> None:
    """Companion: the same settings around pydicom itself leave identifiers in the log."""
    source, _ = export
    left = tmp_path / "left"
    left.mkdir()
    script = "import sys, pydicom; str(pydicom.dcmread(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", script, str(next(source.rglob("CANARY-values.dcm")))],
        check=True,
        capture_output=True,
        env=_talkative(tmp_path / "site", left=left),
    )
    assert ("talk.log", "name") in leaks(left, patterns=PATTERNS)
