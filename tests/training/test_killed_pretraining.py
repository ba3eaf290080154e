"""A part of `benchmarks/resume.py` in every run of the tests: killed in bf16, resumed, the same bytes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import resume

from medtrimix.steps.context import CURVES

PARTS = ("encoder.safetensors", "encoder.json", "arm.json", "views.npz", "record.json")


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_three_kills_leave_no_trace(tmp_path: Path) -> None:
    """In a process of its own: one with threads had better not be forked."""
    command = [sys.executable, "-W", "ignore", resume.__file__, "--kills", "3", "--steps", "9"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "table.md")], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "table.md").read_text()
    assert "**3 of 3 identical.**" in page
    assert "bf16" in page
    assert len(re.findall(r"^\| \d", page, flags=re.MULTILINE)) == 3


def made(folder: Path) -> Path:
    folder.mkdir()
    for name in PARTS:
        (folder / name).write_bytes(b"the same")
    points = [{"step": step, "loss": 0.5, "rankme": 9.0, "time": 1.0} for step in range(3)]
    (folder / CURVES).write_text("".join(f"{json.dumps(point)}\n" for point in points))
    return folder


def test_a_difference_of_one_bit_is_seen_and_the_clock_is_not(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    (other / CURVES).write_text((one / CURVES).read_text().replace('"time": 1.0', '"time": 2.0'))
    assert resume.differences(one, other) == ()
    (other / CURVES).write_text((one / CURVES).read_text().replace("9.0", "9.000000000000002", 1))
    assert resume.differences(one, other) == (CURVES,)
    (other / PARTS[0]).write_bytes(b"the tame")
    assert resume.differences(one, other) == (CURVES, PARTS[0])
    found = [resume.Kill(3, 0.5, writing=True, restarted_at=2, differences=("encoder.safetensors",))]
    page = resume.table(found, steps=9, precision="bf16")
    assert "**0 of 1 identical.**" in page
    assert "differs: encoder.safetensors" in page
