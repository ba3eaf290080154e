"""Paths in pipeline files: one variable is expanded, nothing else."""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLE = "${MEDTRIMIX_DATA}"


def expand(text: str) -> Path:
    """`text` with `${MEDTRIMIX_DATA}` replaced by that environment variable, `./data` when it is not set.

    `~` is the home folder, and stays as it is for a user whom nobody knows.
    """
    expanded = text.replace(_VARIABLE, os.environ.get("MEDTRIMIX_DATA") or "./data")
    return Path(os.path.expanduser(expanded))  # noqa: PTH111 (Path.expanduser raises without a home)
