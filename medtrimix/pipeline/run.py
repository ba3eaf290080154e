"""Running a plan: what is done is left alone, the rest goes to workers, each task as soon as it can."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

from medtrimix.config.files import read_json
from medtrimix.errors import Interrupted, MedtrimixError, StepFailed
from medtrimix.pipeline import worker
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.code import digest_of_code
from medtrimix.pipeline.graph import Task
from medtrimix.pipeline.plan import Plan
from medtrimix.steps.context import PROGRESS, read_warning

_POLL_S = 0.25


class Observer(Protocol):
    """Who is told what happens while a plan runs."""

    def started(self, task: Task) -> None:
        """`task` went to a worker."""

    def progressed(self, task: Task, done: int, total: int, unit: str) -> None:
        """`task` is running and this far."""

    def warned(self, task: Task, message: str) -> None:
        """`task`, which goes on or has just ended, left a warning; told once."""

    def finished(self, task: Task, *, cached: bool) -> None:
        """`task` is done, now or long ago."""

    def failed(self, task: Task, error: MedtrimixError) -> None:
        """`task` ended with an error; what needs it is not run, everything else is."""

    def stopping(self) -> None:
        """Ctrl-C or SIGTERM arrived: running tasks are asked to save and stop."""


def done_tasks(plan: Plan, *, workspace: Path) -> frozenset[str]:
    """Names of the tasks whose results are there."""
    cache = StepCache(workspace / "steps")
    return frozenset(task.name for task in plan.tasks if cache.is_done(task.step, key=task.key))


def run_plan(plan: Plan, *, workspace: Path, observers: tuple[Observer, ...]) -> None:
    """Runs what is not done yet.

    Raises:
        MedtrimixError: the first error of a task, after everything that did not need it has run.
        Interrupted: Ctrl-C or SIGTERM; the same plan goes on from there.
    """
    done = set(done_tasks(plan, workspace=workspace))
    for task in plan.tasks:
        if task.name in done:
            for observer in observers:
                observer.finished(task, cached=True)
    if len(done) < len(plan.tasks):
        _Runner(plan, workspace=workspace, observers=observers, done=done).run()


class _Runner:
    def __init__(self, plan: Plan, *, workspace: Path, observers: tuple[Observer, ...], done: set[str]) -> None:
        self._plan = plan
        self._observers = observers
        self._root = workspace / "steps"
        self._cache = StepCache(self._root)
        self._done = done
        self._waiting = [task for task in plan.tasks if task.name not in done]
        self._running: dict[Future[None], Task] = {}
        self._errors: list[MedtrimixError] = []
        self._warned: set[str] = set()
        context = multiprocessing.get_context("spawn")  # fork is unsafe once threads run
        self._stop = context.Event()
        numbers = context.Queue()
        for number in range(plan.machine.workers):
            numbers.put(number)
        machine = plan.machine
        self._pool = ProcessPoolExecutor(
            max_workers=plan.machine.workers,
            mp_context=context,
            initializer=worker.prepare,
            initargs=(self._stop, os.getpid(), machine.threads, machine.gpus, machine.processes, numbers),
        )

    def run(self) -> None:
        restore = _on_signals(self._ask_to_stop)
        try:
            while self._running or (self._waiting and not self._stop.is_set()):
                self._submit()
                if not self._running:
                    break  # what is left needs something that failed
                finished, _ = wait(self._running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._collect(future)
                self._report_progress()
        except BaseException:
            for process in multiprocessing.active_children():
                process.kill()  # a second Ctrl-C, or a worker that died: whatever they do is cut off, nothing is lost
            raise
        finally:
            restore()
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._stop.is_set():
            raise _stopped()
        if self._errors:
            raise self._errors[0]

    def _ask_to_stop(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            for observer in self._observers:
                observer.stopping()

    def _submit(self) -> None:
        """Sends no more than there are workers, so that the order of the plan decides, not that of readiness."""
        for task in list(self._waiting):
            if len(self._running) >= self._plan.machine.workers or self._stop.is_set():
                return
            if self._done.issuperset(task.after):
                self._waiting.remove(task)
                with _signals_held_back():
                    future = self._pool.submit(worker.execute, self._job(task), root=self._root)
                self._running[future] = task
                for observer in self._observers:
                    observer.started(task)

    def _job(self, task: Task) -> worker.Job:
        return worker.Job(
            name=task.name,
            step=task.step,
            key=task.key,
            config_json=task.config.model_dump_json(),
            inputs=dict(task.inputs),
            provenance={
                "config": task.config.model_dump(mode="json"),
                "code": digest_of_code(f"medtrimix.steps.{task.step}"),
                "threads": self._plan.machine.threads,
            },
            workers=self._plan.machine.workers,
            checkpoint_every_s=self._plan.study.compute.checkpoint_every_s,
        )

    def _collect(self, future: Future[None]) -> None:
        task = self._running.pop(future)
        self._pass_on_warning(task)
        try:
            future.result()
        except Interrupted:
            return
        except MedtrimixError as error:
            self._errors.append(error)
            for observer in self._observers:
                observer.failed(task, error)
        except BrokenProcessPool:
            if self._stop.is_set():  # whoever asked us to stop was in a hurry
                raise _stopped() from None
            raise StepFailed(
                "A worker process died.", where=task.name, fix="Out of memory? Set compute.workers to a smaller number."
            ) from None
        else:
            self._done.add(task.name)
            for observer in self._observers:
                observer.finished(task, cached=False)

    def _report_progress(self) -> None:
        for task in self._running.values():
            self._pass_on_warning(task)
            try:
                facts = read_json(self._cache.folder(task.step, key=task.key) / PROGRESS)
            except (OSError, ValueError):
                continue
            for observer in self._observers:
                observer.progressed(task, facts["done"], facts["total"], facts["unit"])

    def _pass_on_warning(self, task: Task) -> None:
        if task.name not in self._warned and (message := read_warning(self._cache.folder(task.step, key=task.key))):
            self._warned.add(task.name)
            for observer in self._observers:
                observer.warned(task, message)


def _stopped() -> Interrupted:
    return Interrupted("Stopped.", fix="The same command goes on from here.")


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Processes started in here see no Ctrl-C or SIGTERM, not even before their first line; ours comes afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_signals(stop: Callable[[], None]) -> Callable[[], None]:
    """Turns the first Ctrl-C or SIGTERM into a call of `stop`, the second Ctrl-C into a hard end; returns the undo."""

    def handle(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}

    def undo() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return undo
