"""Where the command line prints: results and bars to stdout, what went wrong to stderr."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def complain(message: str) -> None:
    """One error, as plain text: it can hold brackets that are no markup."""
    err.print(Text("Error: ", style="bold red") + Text(message), soft_wrap=True)


def bars() -> Progress:
    """Bars with the time left, which vanish in the end; each is added with `amount=""`, see `amount`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", justify="right"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=out,
        transient=True,
    )


def amount(done: int, total: int, *, unit: str) -> str:
    """`1,200/4,698 images`, or `1,200 images` where nobody knows how many there will be."""
    return f"{done:,}/{total:,} {unit}" if total else f"{done:,} {unit}"
