"""What a run shows on the terminal: the plan, bars with the time left, one line for each thing done."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType

from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

from medtrimix.cli.console import amount, bars, complain
from medtrimix.errors import MedtrimixError
from medtrimix.pipeline.graph import Task
from medtrimix.pipeline.plan import Plan

_QUIET_STEPS = {"learn", "evaluate", "embed"}
"""Steps with many short tasks: the bar of all tasks counts them, lines would drown the rest."""


def plan_table(plan: Plan, *, done: frozenset[str]) -> Table:
    """Steps of the plan in order: how many tasks, how many of them are done."""
    total = Counter(task.step for task in plan.tasks)
    cached = Counter(task.step for task in plan.tasks if task.name in done)
    table = Table(title=f"Plan of {plan.study.name}", title_justify="left")
    table.add_column("step")
    table.add_column("tasks", justify="right")
    table.add_column("cached", justify="right")
    table.add_column("to do", justify="right")
    for step, count in total.items():
        table.add_row(step, str(count), str(cached[step]), str(count - cached[step]))
    return table


class Display:
    """Follows a run; a `with` block holds the bars on the terminal. Implements `pipeline.run.Observer`."""

    def __init__(self, plan: Plan, *, done: frozenset[str]) -> None:
        self._bars = bars()
        self._total = len(plan.tasks) - len(done)
        self._count = 0
        self._all = self._bars.add_task("all tasks", total=self._total, amount="")
        self._bar_of: dict[str, TaskID] = {}
        self._started_at: dict[str, float] = {}
        self._errors: list[MedtrimixError] = []

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bars.stop()

    def started(self, task: Task) -> None:
        """Opens a bar."""
        self._bar_of[task.name] = self._bars.add_task(task.name, total=None, amount="")
        self._started_at[task.name] = time.monotonic()

    def progressed(self, task: Task, done: int, total: int, unit: str) -> None:
        """Moves its bar."""
        self._bars.update(
            self._bar_of[task.name], completed=done, total=total or None, amount=amount(done, total, unit=unit)
        )

    def warned(self, task: Task, message: str) -> None:
        """Prints the warning above the bars, where it stays."""
        self._bars.console.print(Text.assemble(("warning ", "bold red"), f"{task.name}: {message}"), soft_wrap=True)

    def finished(self, task: Task, *, cached: bool) -> None:
        """Closes its bar and says so."""
        if cached:
            return
        self._close(task)
        self._bars.advance(self._all)
        self._count += 1
        if task.step not in _QUIET_STEPS:
            seconds = time.monotonic() - self._started_at[task.name]
            self._bars.console.print(f"[green]done[/] {task.name} ({seconds:.0f} s)")
        elif not self._bars.console.is_terminal and self._count % max(1, self._total // 10) == 0:
            self._bars.console.print(f"{self._count} of {self._total} tasks done")  # a log has no bars

    def failed(self, task: Task, error: MedtrimixError) -> None:
        """Closes its bar and says why."""
        self._close(task)
        self._errors.append(error)
        complain(f"{task.name}: {error}")

    def has_shown(self, error: MedtrimixError) -> bool:
        """Whether `error` is on the terminal already, as what a task ended with."""
        return any(error is shown for shown in self._errors)

    def stopping(self) -> None:
        """Tells that the wish to stop was heard."""
        self._bars.console.print("Stopping at the next safe point; Ctrl-C again stops at once.")

    def _close(self, task: Task) -> None:
        self._bars.remove_task(self._bar_of.pop(task.name))
