"""The one-way arrows of the package, read from its imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "medtrimix"
RANKS = [
    {"errors"},
    {"config", "arrays", "findings", "schedule"},
    {"ingest", "data", "nets", "losses", "augment", "metrics", "tracking", "phantom"},
    {"methods", "lowlabel", "training"},
    {"steps"},
    {"pipeline"},
    {"report"},
    {"cli"},
]
RANK_OF = {name: rank for rank, names in enumerate(RANKS) for name in names}
ONLY_IN = {
    "mlflow": {"tracking"},
    "pydicom": {"ingest", "phantom"},
    "nibabel": {"ingest"},
    "highdicom": {"ingest"},
    "dicomweb_client": {"ingest"},
    "requests": {"ingest"},
    "urllib3": {"ingest"},
    "PIL": {"ingest"},
    "typer": {"cli"},
    "rich": {"cli"},
    "matplotlib": {"report"},
}
"""Libraries that one folder hides from all others."""


def imports(source: str) -> Iterator[str]:
    """Every module that a source text imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def violations(folder: str, source: str) -> list[str]:
    """What a module of `folder` may not import."""
    found = []
    for name in imports(source):
        top, *rest = name.split(".")
        if top == "medtrimix" and rest and rest[0] != folder and RANK_OF[rest[0]] >= RANK_OF[folder]:
            found.append(f"{folder} imports {name}")
        if top in ONLY_IN and folder not in ONLY_IN[top]:
            found.append(f"{folder} imports {name}")
    return found


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in RANK_OF)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    folder = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert violations(folder, path.read_text()) == []


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("ingest", "from medtrimix.steps import learn"),  # upward
        ("ingest", "from medtrimix.data.store import ArrayStore"),  # sideways
        ("losses", "def f():\n    import medtrimix.methods.table"),  # hidden in a function
        ("steps", "import mlflow"),
        ("data", "from pydicom import dcmread"),
    ],
)
def test_the_rule_can_fail(folder: str, source: str) -> None:
    assert violations(folder, source)


def test_every_folder_has_a_rank() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= RANK_OF.keys()
