"""Several findings of one image as the one text that the index keeps as its label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SEPARATOR = "|"
NO_FINDING = "none"
"""The label of an image in which all findings are absent; "" is an image that nobody has labelled."""


def joined(names: Sequence[str]) -> str:
    """The names of the findings that are present, in the order given: "effusion|mass", or `NO_FINDING`."""
    return SEPARATOR.join(names) or NO_FINDING


def present(label: str) -> tuple[str, ...]:
    """The findings that a label names; none for "" and `NO_FINDING`."""
    return () if label in ("", NO_FINDING) else tuple(label.split(SEPARATOR))


def one_of(label: str, *, finding: str | None) -> str:
    """Whether a finding is in a label: "no" or "yes", of which the later name is the positive class.

    "" for an unlabelled image; the label itself if no finding is asked for.
    """
    if finding is None or label == "":
        return label
    return "yes" if finding in label.split(SEPARATOR) else "no"


def are_several(labels: Iterable[str]) -> bool:
    """Whether these are labels of findings that can occur together: then each is a question of its own.

    Labels of which none names two are classes that exclude each other, wherever they come from.
    """
    return any(SEPARATOR in label for label in labels)


def classes_of(labels: Iterable[str]) -> tuple[str, ...]:
    """What there is to learn from these labels, sorted: classes, or the findings if they are several."""
    known = set(labels) - {""}
    if are_several(known):
        known = {name for label in known for name in present(label)}
    return tuple(sorted(known))
