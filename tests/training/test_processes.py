"""Two processes are one: the same weights of every method, the same statistics, one end for all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lost_tasks
import member_tasks
import pytest
import torch
from member_tasks import MEMBERS, NORMALISATIONS, State, Watch, trained

from medtrimix.errors import StepFailed
from medtrimix.training.processes import together

pytestmark = pytest.mark.slow

TOLERANCE = 1e-9  # float64; a ResNet of a few steps multiplies roundings of 1e-16, and sums have another order


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything, done by two processes."""
    folder = tmp_path_factory.mktemp("two")
    with together(2, others=_alike, args=(folder,), device="cpu"):
        return member_tasks.everything(folder)


_alike = member_tasks.everything


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    return member_tasks.all_members(tmp_path_factory.mktemp("one"))


def furthest(found: State, expected: State) -> float:
    """The largest difference between two states, for numbers above 1 as a share of the largest."""
    assert found.keys() == expected.keys()
    return max(
        float((found[name] - value).abs().max() / value.abs().max().clamp(min=1)) for name, value in expected.items()
    )


@pytest.mark.parametrize("name", [*MEMBERS, "accumulated"])
def test_two_processes_train_as_one(name: str, one: dict[str, State], two: dict[str, Any]) -> None:
    assert furthest(two["members"][name], one[name]) < TOLERANCE


def test_the_comparison_can_fail(one: dict[str, State], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared moves a million times further than the tolerance; and statistics of half a batch show."""
    from medtrimix.nets import encoder

    fresh = trained(MEMBERS["simclr"], folder=tmp_path / "a", watch=Watch(), steps=1).state_dict()
    assert furthest(fresh, one["simclr"]) > 1e6 * TOLERANCE
    halves = lambda network, batch: torch.cat([network(half) for half in batch.split(7)])  # noqa: E731
    monkeypatch.setattr(encoder, "in_shares", halves)
    apart = trained(MEMBERS["simclr"], folder=tmp_path / "b", watch=Watch()).state_dict()
    assert furthest(apart, one["simclr"]) > 1e6 * TOLERANCE


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_batch_statistics_are_those_of_all_rows(name: str, two: dict[str, Any]) -> None:
    axes, affine = NORMALISATIONS[name]
    assert furthest(two["normalisations"][name], member_tasks.normalised(axes, affine=affine)) < 1e-12


def test_gathering_has_the_gradient_of_one_process(two: dict[str, Any]) -> None:
    # Worked by hand: d/dx (x^2 + x) = 2x + 1, each process's own rows counting as often as there are processes.
    expected = 2 * torch.arange(10, dtype=torch.float64).view(5, 2) + 1
    torch.testing.assert_close(two["gradient"], expected, rtol=0, atol=0)


def test_all_stop_at_one_step_and_go_on_bit_for_bit(two: dict[str, Any]) -> None:
    watch, state = two["resumed"]
    assert sorted(watch.curve) == [0, 1, 2, 3, 4]
    assert furthest(state, two["whole"]) == 0


def test_a_lost_process_ends_the_training() -> None:
    with pytest.raises(StepFailed, match="processes of a training died"):
        _leads()
    assert not torch.distributed.is_initialized()
    assert "RANK" not in os.environ


def _leads() -> None:
    with together(2, others=lost_tasks.die, args=(), device="cpu"):
        for _ in range(3):
            torch.distributed.all_reduce(torch.ones(1))


_KILLED = """
import sys, torch, lost_tasks
from pathlib import Path
from medtrimix.training.processes import together
if __name__ == "__main__":
    with together(2, others=lost_tasks.wait_for_ever, args=(Path(sys.argv[1]),), device="cpu"):
        torch.distributed.all_reduce(torch.ones(1))
        (Path(sys.argv[1]) / "met").touch()
        import time; time.sleep(600)
"""


def test_no_process_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(_KILLED)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "killed.py"), str(tmp_path)], env={**os.environ, "PYTHONPATH": path}
    )
    try:
        _wait_until((tmp_path / "met").exists)
        companion = int((tmp_path / "companion").read_text())
        assert _alive(companion)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    _wait_until(lambda: not _alive(companion))


def _wait_until(condition: Any, *, patience_s: float = 300.0) -> None:
    until = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    """Whether it runs; one that ended and that nobody has asked about yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
