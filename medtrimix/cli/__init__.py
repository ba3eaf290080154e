"""The command line: parses and prints, nothing else."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `medtrimix`. Exit codes: 0 done, 1 a run failed or was stopped, 2 bad input."""
    from medtrimix.cli.app import app
    from medtrimix.cli.console import complain
    from medtrimix.errors import MedtrimixError

    try:
        app()
    except MedtrimixError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("Stopped. The same command goes on from here.")
        sys.exit(1)
