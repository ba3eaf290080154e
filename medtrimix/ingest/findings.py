"""Several findings of one image as the one text that the index keeps as its label."""

from __future__ import annotations

from collections.abc import Sequence

SEPARATOR = "|"
NO_FINDING = "none"
"""The label of an image in which all findings are absent; "" is an image that nobody has labelled."""


def joined(names: Sequence[str]) -> str:
    """The names of the findings that are present, in the order given: "effusion|mass", or `NO_FINDING`."""
    return SEPARATOR.join(names) or NO_FINDING


def one_of(label: str, *, finding: str | None) -> str:
    """Whether a finding is in a label: "no" or "yes", of which the later name is the positive class.

    "" for an unlabelled image; the label itself if no finding is asked for.
    """
    if finding is None or label == "":
        return label
    return "yes" if finding in label.split(SEPARATOR) else "no"
