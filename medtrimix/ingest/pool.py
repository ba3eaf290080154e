"""A small supervised pool: a function over tasks in other processes, where a lost process costs one task one verdict.

`concurrent.futures` gives up all tasks when one process dies; here the process is replaced and the others never notice.
Processes are started afresh (not forked, and without importing the caller's main module), so they hold nothing but what
decoding needs.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from medtrimix.errors import StepFailed
from medtrimix.ingest.verdict import Verdict

Task = TypeVar("Task")
Result = TypeVar("Result")

_IN_HAND = 8  # tasks that a process has at most: enough to never wait for the next
_IN_HAND_BYTES = 1 << 16
"""Tasks that are sent ahead must fit the socket: a process that sends a large result doesn't read, so a sender that has
to wait for it would wait for ever."""
_AHEAD = 32  # finished results per process that wait for an earlier one
_AHEAD_BYTES = 64 << 20  # of all of them, beyond which nothing more is begun until the earlier one is there


@dataclass(frozen=True)
class Limits:
    """Per process: seconds for one task, and megabytes of address space."""

    timeout_s: float
    memory_limit_mb: int


@dataclass(frozen=True)
class Crew:
    """How many processes to start, and what each may use."""

    workers: int
    limits: Limits

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Generator[Result | Verdict]:
        """See `supervised_map`."""
        return supervised_map(function, tasks, workers=self.workers, limits=self.limits)


def supervised_map(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int, limits: Limits
) -> Generator[Result | Verdict]:
    """Results in the order of `tasks`; `timeout`, `memory` or `decoder_error` for a task that lost its process.

    `function` must be picklable by reference. Results that nobody has taken yet are bounded, in number
    and in bytes.
    """
    waiting = deque(enumerate(tasks))
    finished: dict[int, _Finished[Result]] = {}
    crew = [_Worker(function, limits) for _ in range(min(workers, len(tasks)))]
    try:
        for wanted in range(len(tasks)):
            while wanted not in finished:
                full = sum(result.size for result in finished.values()) > _AHEAD_BYTES
                for worker in crew:
                    worker.feed(waiting, before=wanted + (1 if full else _AHEAD * len(crew)))
                ready = wait([worker.connection for worker in crew])
                for place, worker in enumerate(crew):
                    if worker.connection in ready and not worker.receive(finished):
                        finished.update(worker.bury(waiting))
                        crew[place] = _Worker(function, limits)
            yield finished.pop(wanted).result
    finally:
        for worker in crew:
            worker.end()


@dataclass(frozen=True)
class _InHand(Generic[Task]):
    """A task that a process has been sent, and in how many bytes."""

    number: int
    task: Task
    size: int


@dataclass(frozen=True)
class _Finished(Generic[Result]):
    """What became of a task, and the bytes that it came in."""

    result: Result | Verdict
    size: int = 0


class _Worker(Generic[Task, Result]):
    """One process, the socket to it, and the tasks that it has in hand, oldest first."""

    def __init__(self, function: Callable[[Task], Result], limits: Limits) -> None:
        self.in_hand: deque[_InHand[Task]] = deque()
        self.started = False
        ours, theirs = socket.socketpair()
        for end, buffer in ((ours, socket.SO_SNDBUF), (theirs, socket.SO_RCVBUF)):
            end.setsockopt(socket.SOL_SOCKET, buffer, 4 * _IN_HAND_BYTES)  # macOS has 8 KB otherwise
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-P", "-m", "medtrimix.ingest.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                process_group=0,  # a Ctrl-C in the terminal goes to the parent alone
            )
        self.connection = Connection(ours.detach())
        self._send(pickle.dumps((function, limits.timeout_s, limits.memory_limit_mb)))

    def feed(self, waiting: deque[tuple[int, Task]], *, before: int) -> None:
        """Gives the process tasks with numbers below `before`, as many as it may have in hand."""
        while waiting and len(self.in_hand) < _IN_HAND and waiting[0][0] < before:
            number, task = waiting[0]
            message = pickle.dumps(task)
            if self.in_hand and sum(other.size for other in self.in_hand) + len(message) > _IN_HAND_BYTES:
                return
            waiting.popleft()
            self.in_hand.append(_InHand(number, task, len(message)))
            self._send(message)

    def receive(self, finished: dict[int, _Finished[Result]]) -> bool:
        """Takes one message; False if the process is no more."""
        try:
            message = self.connection.recv_bytes()
        except (EOFError, OSError):
            return False
        if self.started:
            finished[self.in_hand.popleft().number] = _Finished(pickle.loads(message), len(message))  # noqa: S301 - ours
        self.started = True  # the first message only says so
        return True

    def bury(self, waiting: deque[tuple[int, Task]]) -> dict[int, _Finished[Result]]:
        """The verdict on the task that the process died of; its other tasks go back to the front of `waiting`."""
        self.connection.close()
        exit_code = self.process.wait()
        if not self.started:
            raise StepFailed(
                f"a decoding process could not start (exit code {exit_code}).",
                where="ingest",
                fix="Check the installation with `python -m medtrimix.ingest.worker`, and `data.memory_limit_mb`.",
            )
        verdicts: dict[int, _Finished[Result]] = {}
        if self.in_hand:
            verdicts[self.in_hand.popleft().number] = _Finished(_verdict_on(exit_code))
        waiting.extendleft((other.number, other.task) for other in reversed(self.in_hand))
        return verdicts

    def end(self) -> None:
        """Ends the process at once."""
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def _send(self, message: bytes) -> None:
        with suppress(OSError):  # if it has just died, `receive` will find out
            self.connection.send_bytes(message)


def _environment() -> dict[str, str]:
    """The parent's, with its import path; one thread, since more would only reserve address space."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _verdict_on(exit_code: int) -> Verdict:
    """SIGALRM is the process's own alarm; SIGKILL is how the kernel ends who takes too much memory."""
    return {-signal.SIGALRM: Verdict.timeout, -signal.SIGKILL: Verdict.memory}.get(exit_code, Verdict.decoder_error)
