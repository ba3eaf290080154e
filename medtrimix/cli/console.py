"""Where the command line prints: results to stdout, what went wrong to stderr."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def complain(message: str) -> None:
    """One error, as plain text: it can hold brackets that are no markup."""
    err.print(Text("Error: ", style="bold red") + Text(message), soft_wrap=True)
