"""The command line: parses and prints, nothing else."""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn


def main() -> None:
    """Entry point of `medtrimix`. Exit codes: 0 done, 1 a run failed or was stopped, 2 bad input."""
    from medtrimix.cli.app import app
    from medtrimix.cli.console import complain, err
    from medtrimix.errors import MedtrimixError

    try:
        app()
    except MedtrimixError as error:
        complain(str(error))
        _exit(error.exit_code)
    except KeyboardInterrupt:
        complain("Stopped. The same command goes on from here.")
        _exit(1)
    except Exception as error:  # a bug: where it happened helps, its message could quote an identifier
        err.print("".join(traceback.format_tb(error.__traceback__)), markup=False, soft_wrap=True)
        complain(f"{type(error).__name__}, which is a bug of medtrimix; finished steps are kept.")
        sys.exit(1)


def _exit(code: int) -> NoReturn:
    """Exits with this code even after a Ctrl-C that came while a library was imported.

    CPython (3.11, `pythonrun.c`) remembers a KeyboardInterrupt that ended code started from C, and ends `python -m` by
    SIGINT then, whatever exit code it was given. Running any text makes it forget.
    """
    exec("")  # noqa: S102
    sys.exit(code)
