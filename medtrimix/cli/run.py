"""`medtrimix run`: the plan, the work, the table."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType

import typer

from medtrimix.cli.console import out
from medtrimix.cli.display import Display, plan_table
from medtrimix.cli.results import print_table
from medtrimix.errors import InputError, Interrupted, MedtrimixError
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.plan import Plan, make_plan
from medtrimix.pipeline.published import is_published, results_folder
from medtrimix.pipeline.run import done_tasks, run_plan


def run_study(pipeline: Path, *, overrides: tuple[str, ...], workspace: Path) -> None:
    """Runs what is not done, publishes what is not published, prints the table.

    Raises:
        MedtrimixError: what went wrong, Ctrl-C included.
        typer.Exit: tasks ended with an error, which was shown when they did.
    """
    ctrl_c = _CtrlC()
    try:
        _run_study(pipeline, overrides=overrides, workspace=workspace, ctrl_c=ctrl_c)
    except KeyboardInterrupt:  # while no task was running; left to typer, it would end without a word
        raise Interrupted("Stopped.", fix="The same command goes on from here.") from None


class _CtrlC:
    """Remembers a Ctrl-C: while large libraries are imported, some of them swallow the exception."""

    def __init__(self) -> None:
        self._pressed = False
        signal.signal(signal.SIGINT, self._press)

    def _press(self, _: int, __: FrameType | None) -> None:
        self._pressed = True
        raise KeyboardInterrupt

    def raise_if_pressed(self) -> None:
        if self._pressed:
            raise KeyboardInterrupt


def _run_study(pipeline: Path, *, overrides: tuple[str, ...], workspace: Path, ctrl_c: _CtrlC) -> None:
    study = load_study(pipeline, overrides=overrides)
    _require_writable(workspace)
    with out.status("Reading the source …"):
        plan = make_plan(study, machine=resolve(study.compute), workspace=workspace.resolve())
        done = done_tasks(plan, workspace=workspace.resolve())
    out.print(plan_table(plan, done=done))
    if len(done) < len(plan.tasks) or not is_published(plan, workspace=workspace.resolve()):
        _work(plan, workspace=workspace.resolve(), done=done, ctrl_c=ctrl_c)
    folder = results_folder(plan, workspace=workspace.resolve())
    print_table(folder)
    out.print(f"Report: {workspace / 'results' / study.name / 'report.html'}", soft_wrap=True)
    out.print(f"Runs:   medtrimix ui --workspace {workspace}", soft_wrap=True)


def _require_writable(workspace: Path) -> None:
    try:
        workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The workspace can't be made: {error.strerror}.", where=str(workspace)) from None
    if not os.access(workspace, os.W_OK | os.X_OK):
        raise InputError(
            "The workspace can't be written to.",
            where=str(workspace),
            fix="Give it to the user who runs this, or choose another with --workspace.",
        )


def _work(plan: Plan, *, workspace: Path, done: frozenset[str], ctrl_c: _CtrlC) -> None:
    from medtrimix.report.session import published  # MLflow and figures: seconds, which a finished study does not need

    display = Display(plan, done=done)
    try:
        with published(plan, workspace=workspace, done=done) as recording, display:
            ctrl_c.raise_if_pressed()
            run_plan(plan, workspace=workspace, observers=(display, recording))
    except MedtrimixError as error:
        if not display.has_shown(error):
            raise
        raise typer.Exit(error.exit_code) from None
