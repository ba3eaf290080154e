"""One file that kills its process costs one verdict, and nothing that goes on in there comes out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pool_tasks
import pytest

from medtrimix.errors import StepFailed
from medtrimix.ingest.pool import Limits, supervised_map
from medtrimix.ingest.verdict import Verdict

LIMITS = Limits(timeout_s=20, memory_limit_mb=1024)


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    tasks = [("slow" if number % 3 == 0 else "go", number) for number in range(60)]
    assert list(supervised_map(pool_tasks.misbehave, tasks, workers=workers, limits=LIMITS)) == list(range(60))


@pytest.mark.parametrize(
    ("what", "verdict"),
    [
        ("raise", Verdict.decoder_error),
        ("panic", Verdict.decoder_error),
        ("memory", Verdict.memory),
        ("segfault", Verdict.decoder_error),
        ("killed", Verdict.memory),
        ("exit", Verdict.decoder_error),
    ],
)
def test_a_bad_task_costs_one_verdict(what: str, verdict: Verdict) -> None:
    tasks = [("go", 0), ("go", 1), (what, 2), ("go", 3), (what, 4), *(("go", number) for number in range(5, 20))]
    results = list(supervised_map(pool_tasks.misbehave, tasks, workers=1, limits=LIMITS))
    assert results == [0, 1, verdict, 3, verdict, *range(5, 20)]


def test_a_hanging_task_is_ended_by_its_own_process() -> None:
    tasks = [("go", 0), ("hang", 1), ("go", 2)]
    results = list(supervised_map(pool_tasks.misbehave, tasks, workers=1, limits=Limits(0.3, 1024)))
    assert results == [0, Verdict.timeout, 2]


@pytest.mark.parametrize("size", [100, 20_000, 300_000])  # eight fit the socket, some do, none does
def test_large_tasks_and_large_results_do_not_wait_for_each_other(size: int) -> None:
    """A volume is a task with all its paths. If both sides send more than a socket takes, nobody reads."""
    results: list[int] = []

    def work() -> None:
        tasks = [bytes(size)] * 30
        results.extend(len(each) for each in supervised_map(pool_tasks.twice, tasks, workers=2, limits=LIMITS))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout=15)
    assert results == [2 * size] * 30


def test_ctrl_c_in_a_process_is_ignored() -> None:
    assert list(supervised_map(pool_tasks.misbehave, [("interrupt", 7)], workers=1, limits=LIMITS)) == [7]


def test_a_process_says_nothing(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    tasks = [("talk", 1), ("raise", 2), ("panic", 3), ("segfault", 4)]
    results = list(supervised_map(pool_tasks.misbehave, tasks, workers=1, limits=LIMITS))
    captured = capfd.readouterr()
    assert "CANARY" not in captured.out + captured.err + caplog.text + repr(results)
    with pytest.warns(UserWarning, match="CANARY"):
        pool_tasks.misbehave(("talk", 1))  # the same in this process is seen
    captured = capfd.readouterr()
    assert captured.out.count("CANARY") == 2
    assert "CANARY" in captured.err
    assert "CANARY" in caplog.text


def test_processes_are_gone_when_the_results_are_no_longer_wanted() -> None:
    results = supervised_map(pool_tasks.my_pid, list(range(100)), workers=2, limits=LIMITS)
    pid = next(results)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_processes_die_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import pool_tasks, time\n"
        "from medtrimix.ingest.pool import Limits, supervised_map\n"
        "results = supervised_map(pool_tasks.my_pid, list(range(9)), workers=1, limits=Limits(20, 1024))\n"
        "print(next(results), flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)  # alive
        parent.kill()
    deadline = time.monotonic() + 10
    while _alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(worker)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_the_processes_are_light() -> None:
    (loaded,) = supervised_map(pool_tasks.modules, [0], workers=1, limits=LIMITS)
    assert not {"torch", "pandas", "monai", "mlflow", "pytest"} & set(loaded)


def test_a_process_that_can_not_start_is_an_error_not_a_thousand_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StepFailed, match="could not start"):
        list(supervised_map(pool_tasks.square, [1, 2, 3], workers=2, limits=LIMITS))


def test_results_nobody_takes_are_bounded(tmp_path: Path) -> None:
    tasks = [(str(tmp_path), number) for number in range(500)]
    results = supervised_map(pool_tasks.leave_a_trace, tasks, workers=1, limits=LIMITS)
    next(results)
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) < 100
    assert list(results) == list(range(1, 500))
    assert len(list(tmp_path.iterdir())) == 500


def test_large_results_that_wait_for_an_earlier_one_are_bounded_in_bytes(tmp_path: Path) -> None:
    tasks = [(str(tmp_path), number) for number in range(50)]
    results = supervised_map(pool_tasks.leave_much_but_first_nothing, tasks, workers=2, limits=LIMITS)
    next(results)
    assert len(list(tmp_path.iterdir())) < 20, "64 MB are four results of 16 MB; up to sixteen tasks are in hand"
    assert sum(1 for _ in results) == 49
