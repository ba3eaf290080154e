"""A study that is killed, stopped or started twice ends with the numbers of one that nobody disturbed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .conftest import REPO, SMOKE, Ran, command, done_markers, environment, medtrimix

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds a study's processes in /proc"),
]

_OVERRIDES = {
    "phantom.patients": "30",
    "compute.checkpoint_every_s": "0",  # after every step
    "pretrain.image_budget": "6000",  # 62 steps, a few seconds
    "pretrain.arms": "{trimix: {method: trimix}}",
    "learn.strategies": "[linear]",
    "learn.label_budgets": "[1.0]",
    "learn.label_seeds": "1",
    "evaluate.bootstrap": "100",
}
_STUDY = ("run", SMOKE, *(word for key, value in _OVERRIDES.items() for word in ("--set", f"{key}={value}")))
_LONG_PHANTOM = ("--set", "phantom.patients=20000")  # hours
_STEPS = 62
_HANG_S = 300.0


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Workspace of the study, run in one go. Workspaces beside it share its secret, so their numbers must agree."""
    ran = medtrimix(*_STUDY, workspace=tmp_path_factory.mktemp("interruption") / "undisturbed")
    assert ran.code == 0, ran.output
    return ran.workspace


@dataclass
class Running:
    """A study under way, in a process group of its own, as a terminal starts it."""

    workspace: Path
    name: str = "first"
    extra: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command(*_STUDY, *self.extra, workspace=self.workspace),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=REPO,
                env=environment(self.workspace),
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        return self.workspace.with_name(f"{self.workspace.name}-{self.name}.log")

    def wait_until(self, condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + _HANG_S
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up, self.log.read_text()
            time.sleep(0.02)

    def processes(self) -> set[int]:
        """Living processes of the group: the command itself and all that it started."""
        return {pid for pid, (state, group) in _processes().items() if group == self.process.pid and state != "Z"}

    def leaves_nothing(self) -> bool:
        """Whether all its processes go with it; multiprocessing's tracker takes a moment on a busy machine."""
        give_up = time.monotonic() + 20
        while self.processes() and time.monotonic() < give_up:
            time.sleep(0.05)
        return not self.processes()

    def ended(self) -> Ran:
        code = self.process.wait(_HANG_S)
        return Ran(self.workspace, code, self.log.read_text())


def _processes() -> dict[int, tuple[str, int]]:
    """State and process group of every process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it has just ended
        found[int(folder.name)] = state, int(group)
    return found


def _steps_trained(workspace: Path) -> int:
    """Points of the curve of a pretraining that has saved its state."""
    return sum(
        len((checkpoint.parent / "curves.jsonl").read_text().splitlines())
        for checkpoint in (workspace / "steps" / "pretrain").glob("*/checkpoint.pt")
    )


def _curve(workspace: Path) -> list[dict[str, float]]:
    [path] = (workspace / "steps" / "pretrain").glob("*/curves.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def _numbers(workspace: Path) -> dict[str, object]:
    """Everything that must not depend on what happened on the way: weights, curves without the clock, results."""
    curve = [{name: value for name, value in point.items() if name != "time"} for point in _curve(workspace)]
    files = [*(workspace / "steps" / "pretrain").glob("*/encoder.safetensors"), workspace / "results/smoke/results.csv"]
    return {"curve": curve, **{str(path.relative_to(workspace)): path.read_bytes() for path in files}}


def _studies(workspace: Path) -> list[tuple[str, str]]:
    """Run id and status of every study that MLflow knows."""
    return [(run_id, status) for run_id, kind, status in _runs(workspace) if kind == "study"]


def _runs(workspace: Path) -> list[tuple[str, str, str]]:
    """Run id, kind and status of every run that MLflow knows."""
    query = "select run_uuid, value, status from runs join tags using (run_uuid) where key = 'medtrimix.kind'"
    with closing(sqlite3.connect(workspace / "mlflow" / "mlflow.db")) as database:
        return list(database.execute(query))


def _leftovers(workspace: Path) -> list[Path]:
    return [path for path in workspace.rglob("*") if path.suffix == ".tmp" or path.name == "checkpoint.pt"]


def test_a_killed_study_goes_on_and_ends_with_the_same_numbers(undisturbed: Path) -> None:
    workspace = undisturbed.with_name("killed")
    study = Running(workspace)
    study.wait_until(lambda: _steps_trained(workspace) >= 5)
    assert len(study.processes()) > 1
    os.kill(study.process.pid, signal.SIGKILL)
    killed_at = time.time()
    study.process.wait()
    while study.processes():
        assert time.time() - killed_at < 20, "workers outlive the process that started them"
        time.sleep(0.05)
    assert len(_curve(workspace)) < _STEPS, "the kill came too late to show anything"
    [(parent, status)] = _studies(workspace)
    assert status == "RUNNING"
    [checkpoint] = (workspace / "steps" / "pretrain").glob("*/checkpoint.pt")
    checkpoint.with_name(".checkpoint.pt.1.tmp").write_bytes(b"half of one")  # as a kill during a save leaves it
    ran = medtrimix(*_STUDY, workspace=workspace)
    assert ran.code == 0, ran.output
    assert _numbers(workspace) == _numbers(undisturbed)
    seconds = [point["time"] - killed_at for point in _curve(workspace)]
    assert seconds[0] < seconds[3] < 0 < seconds[-1], "it began anew instead of going on"
    assert _studies(workspace) == [(parent, "FINISHED")]
    assert _leftovers(workspace) == []


def test_ctrl_c_stops_politely_and_the_same_command_goes_on(undisturbed: Path) -> None:
    workspace = undisturbed.with_name("stopped")
    study = Running(workspace)
    study.wait_until(lambda: _steps_trained(workspace) >= 5)
    os.killpg(study.process.pid, signal.SIGINT)  # as the terminal does: the workers get it too
    stopped_at = time.time()
    ran = study.ended()
    assert time.time() - stopped_at < 30
    assert "Stopping at the next safe point" in ran.output
    _assert_stopped(ran)
    assert study.leaves_nothing()
    [(parent, status)] = _studies(workspace)
    assert status == "KILLED"
    ran = medtrimix(*_STUDY, workspace=workspace)
    assert ran.code == 0, ran.output
    assert _numbers(workspace) == _numbers(undisturbed)
    seconds = [point["time"] - stopped_at for point in _curve(workspace)]
    assert seconds[0] < seconds[3] < 0 < seconds[-1], "it began anew instead of going on"
    assert _studies(workspace) == [(parent, "FINISHED")]
    assert _leftovers(workspace) == []


def test_sigterm_to_the_whole_group_stops_as_politely(undisturbed: Path) -> None:
    """As `timeout`, systemd and scancel send it: to the workers too, which must not die of it."""
    workspace = undisturbed.with_name("terminated")
    study = Running(workspace)
    study.wait_until(lambda: _steps_trained(workspace) >= 5)
    os.killpg(study.process.pid, signal.SIGTERM)
    ran = study.ended()
    assert "Stopping at the next safe point" in ran.output
    _assert_stopped(ran)
    assert study.leaves_nothing()
    steps = len(_curve(workspace))
    assert 5 <= steps < _STEPS
    assert _steps_trained(workspace) == steps, "the last step is saved"
    assert [status for _, status in _studies(workspace)] == ["KILLED"]


def test_ctrl_c_as_soon_as_there_is_a_worker_and_once_more(undisturbed: Path) -> None:
    """The worker is still importing then; and its task, the phantom, has no safe point, so the second one cuts it."""
    workspace = undisturbed.with_name("cut")
    study = Running(workspace, extra=_LONG_PHANTOM)
    study.wait_until(lambda: len(study.processes()) >= 3)  # the command, multiprocessing's tracker, a worker
    os.killpg(study.process.pid, signal.SIGINT)
    study.wait_until(lambda: "Stopping at the next safe point" in study.log.read_text())
    study.wait_until(lambda: any((workspace / "steps" / "phantom").glob("*/progress.json")))
    os.killpg(study.process.pid, signal.SIGINT)
    stopped_at = time.time()
    ran = study.ended()
    assert time.time() - stopped_at < 30
    _assert_stopped(ran)
    assert study.leaves_nothing()


def test_a_worker_that_is_killed_after_a_wish_to_stop_is_no_failure(undisturbed: Path) -> None:
    """As by a scheduler whose patience ends."""
    workspace = undisturbed.with_name("impatient")
    study = Running(workspace, extra=_LONG_PHANTOM)
    study.wait_until(lambda: any((workspace / "steps" / "phantom").glob("*/progress.json")))
    os.kill(study.process.pid, signal.SIGTERM)
    study.wait_until(lambda: "Stopping at the next safe point" in study.log.read_text())
    for process in study.processes():
        if b"multiprocessing.spawn" in Path(f"/proc/{process}/cmdline").read_bytes():
            os.kill(process, signal.SIGKILL)
    _assert_stopped(study.ended())
    assert study.leaves_nothing()


def test_ctrl_c_before_there_is_any_work(undisturbed: Path) -> None:
    study = Running(undisturbed.with_name("early"))
    study.wait_until(lambda: "Plan of smoke" in study.log.read_text())
    os.killpg(study.process.pid, signal.SIGINT)
    _assert_stopped(study.ended())
    assert study.leaves_nothing()


def _assert_stopped(ran: Ran) -> None:
    assert ran.code == 1, ran.output
    assert ran.output.rstrip().endswith("The same command goes on from here.")
    assert "Traceback" not in ran.output
    assert "worker process died" not in ran.output


def test_two_at_once_share_the_work(undisturbed: Path) -> None:
    workspace = undisturbed.with_name("shared")
    both = [Running(workspace, name) for name in ("first", "second")]
    made: set[tuple[str, int]] = set()
    while any(study.process.poll() is None for study in both):
        made |= _made(workspace)
        time.sleep(0.02)
    made |= _made(workspace)
    for study in both:
        ran = study.ended()
        assert ran.code == 0, ran.output
        assert "AUC [95% interval]" in ran.output
    assert _numbers(workspace) == _numbers(undisturbed)
    assert sorted(name for name, _ in made) == sorted(done_markers(undisturbed)), "a task was done twice"
    kinds = [(kind, status) for _, kind, status in _runs(workspace)]
    assert sorted(kinds) == [(kind, "FINISHED") for kind in ("cell", "pretrain", "study", "summary")]


def _made(workspace: Path) -> set[tuple[str, int]]:
    """Finished tasks and when they were finished; one that is done again shows up with two times."""
    markers = (workspace / "steps").glob("*/*/done.json")
    return {(str(path.parent.relative_to(workspace)), path.stat().st_mtime_ns) for path in markers}


def test_a_changed_number_would_be_seen(undisturbed: Path, tmp_path: Path) -> None:
    """Companion: one weight in its last bits, one loss in its last digits."""
    workspace = tmp_path / "workspace"
    for part in ("steps/pretrain", "results/smoke"):
        shutil.copytree(undisturbed / part, workspace / part)
    assert _numbers(workspace) == _numbers(undisturbed)
    [weights] = (workspace / "steps" / "pretrain").glob("*/encoder.safetensors")
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-4] + bytes([kept[-4] ^ 1]) + kept[-3:])
    assert _numbers(workspace) != _numbers(undisturbed)
    weights.write_bytes(kept)
    points = _curve(workspace)
    points[7]["loss"] *= 1 + 1e-15
    weights.with_name("curves.jsonl").write_text("".join(f"{json.dumps(point)}\n" for point in points))
    assert _numbers(workspace) != _numbers(undisturbed)
