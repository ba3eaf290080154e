"""Markdown as the checks of the guides see it: code, links, headings, tables, trees."""

from __future__ import annotations

import re
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every Markdown file of the repository."""
    folders = ("docs", "data_manifests", "benchmarks", "docker")
    below = [page for folder in folders for page in (REPO / folder).rglob("*.md")]
    return sorted([*REPO.glob("*.md"), *below])


def blocks(text: str, *, language: str) -> list[str]:
    """Fenced blocks of one language."""
    return [body for kind, body in _FENCE.findall(text) if kind == language]


def code(text: str) -> str:
    """Everything that is set as code, a line each for spans in the text."""
    fenced = [body for _, body in _FENCE.findall(text)]
    return "\n".join([*fenced, *re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))])


def links(text: str) -> list[str]:
    """Targets of links outside code."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", _FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """Names under which headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    start = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert start, f"no heading '{heading}'"
    rest = text[start.end() :]
    end = re.search(rf"^#{{1,{len(start[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def table(text: str) -> dict[str, list[str]]:
    """Rows of the tables in a text by the code in their first cell, with the other cells."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", text, re.MULTILINE)
    ]
    return {row[0].split("`")[1]: row[1:] for row in rows if row[0].startswith("`")}


def tree(text: str) -> dict[str, str]:
    """Paths of an indented tree (four spaces a level, folders end in /) and what is said about each."""
    found: dict[str, str] = {}
    parents: list[str] = []
    for line in text.splitlines():
        spaces, name, words = re.fullmatch(r"( *)(\S+) +(.+)", line).groups()  # type: ignore[union-attr]
        del parents[len(spaces) // 4 :]
        found["".join(parents) + name] = words
        if name.endswith("/"):
            parents.append(name)
    return found
