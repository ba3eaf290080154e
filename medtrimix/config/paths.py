"""Paths in pipeline files: one variable is expanded, nothing else."""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLE = "${MEDTRIMIX_DATA}"


def expand(text: str) -> Path:
    """`text` with `${MEDTRIMIX_DATA}` replaced by that environment variable, `./data` when it is not set."""
    return Path(text.replace(_VARIABLE, os.environ.get("MEDTRIMIX_DATA") or "./data")).expanduser()
