"""One training in several processes of one machine: they start, meet, and end together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import distributed

from medtrimix.errors import MedtrimixError, StepFailed

_POLL_S = 0.05
_GOODBYE_S = 60.0
_PATIENCE = timedelta(minutes=30)  # of a process for the others, who may be measuring or saving


@contextmanager
def together(count: int, *, others: Callable[..., None], args: tuple[Any, ...], device: str) -> Iterator[None]:
    """Within the block this process is the first of `count`; each of the others calls `others(*args)`.

    They meet through a file and talk over the loopback interface (or between GPUs): no port to choose, no network. They
    are silent, as messages could quote identifiers, deaf to Ctrl-C, and end with this process however it ends.

    Args:
        count: processes in all; with 1 nothing happens.
        others: a function of a module, which takes part in the same collective operations as the block.
        args: of it, picklable.
        device: `cpu` or `cuda`; process i has GPU i of those that this one sees.

    Raises:
        StepFailed: one of the others died.
    """
    if count == 1:
        yield
        return
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory(prefix="medtrimix-") as folder:
        meeting = Path(folder) / "meeting"
        companions = [
            context.Process(
                target=_accompany, args=(rank, count, meeting, os.getpid(), device, others, args), daemon=True
            )
            for rank in range(1, count)
        ]
        for companion in companions:
            companion.start()
        try:
            _wait_for(companions, meeting=meeting)
            with _member(0, count=count, meeting=meeting, device=device):
                yield
            for companion in companions:
                companion.join(_GOODBYE_S)
        except MedtrimixError:
            raise
        except Exception:
            if _someone_died(companions):
                raise _died() from None
            raise
        finally:
            for companion in companions:
                companion.kill()
                companion.join()


def _wait_for(companions: list[SpawnProcess], *, meeting: Path) -> None:
    """Until all are ready to meet: who waits at the meeting itself doesn't notice that another has died."""
    while not all(_ready(meeting, rank=rank).exists() for rank in range(1, len(companions) + 1)):
        if any(companion.exitcode is not None for companion in companions):
            raise _died()
        time.sleep(_POLL_S)


def _ready(meeting: Path, *, rank: int) -> Path:
    return meeting.with_name(f"ready-{rank}")


def _someone_died(companions: list[SpawnProcess]) -> bool:
    """Whether one ended with an error; a broken connection is noticed a moment before the exit code."""
    for companion in companions:
        companion.join(1.0)
    return any(companion.exitcode for companion in companions)


def _died() -> StepFailed:
    return StepFailed(
        "One of the processes of a training died.",
        fix="Out of memory? Set compute.processes_per_training or pretrain.batch_size to a smaller number.",
    )


def _accompany(
    rank: int,
    count: int,
    meeting: Path,
    parent: int,
    device: str,
    others: Callable[..., None],
    args: tuple[Any, ...],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process says when to stop
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    _ready(meeting, rank=rank).touch()
    with _member(rank, count=count, meeting=meeting, device=device):
        others(*args)


def _die_with(parent: int) -> None:
    """A parent that was killed can't tell us; without this its companions would wait for it."""
    while os.getppid() == parent:
        time.sleep(0.3)
    os._exit(1)


@contextmanager
def _member(rank: int, *, count: int, meeting: Path, device: str) -> Iterator[None]:
    """Within the block this process is number `rank` of the group; Fabric reads the same from the environment."""
    names = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    names["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    if device == "cuda":
        torch.cuda.set_device(rank)
    backend = "nccl" if device == "cuda" else "gloo"
    try:
        distributed.init_process_group(
            backend, init_method=f"file://{meeting}", rank=rank, world_size=count, timeout=_PATIENCE
        )
        yield
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()  # gloo aborts the process at its end otherwise
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
