"""Names and values as MLflow accepts them."""

from __future__ import annotations

import hashlib
import re

_PARAM_LIMIT = 500  # older tracking servers refuse more
_TAG_LIMIT = 5000  # the smallest limit among the servers of MLflow 2 and 3


def clean_name(name: str) -> str:
    """The name with characters that MLflow refuses in names replaced by `_`."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)


def short_value(value: str | float | int) -> str:
    """A parameter's text; too long ones are cut and end in a digest, so that different ones stay different."""
    text = str(value)
    if len(text) <= _PARAM_LIMIT:
        return text
    mark = f"… (sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]})"
    return text[: _PARAM_LIMIT - len(mark)] + mark


def short_tag(text: str) -> str:
    """A tag's or note's text; too long ones are cut at the end of a line where there is one."""
    if len(text) <= _TAG_LIMIT:
        return text
    head = text[: _TAG_LIMIT - 2]
    cut = head.rfind("\n")
    return (head[:cut] if cut > 0 else head) + "\n…"
