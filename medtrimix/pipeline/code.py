"""The version of a step is its code: a digest of every module of ours that it can reach through imports."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGE = "medtrimix"
_NUMERIC_PACKAGES = ("lightning", "monai", "numpy", "pillow", "pydicom", "scikit-learn", "scipy", "torch")


def digest_of_code(module: str) -> str:
    """Digest of `module` and of all that it imports from the package, directly or not, inside functions too.

    The versions of the libraries that make numbers count as well.

    Comments, docstrings and layout don't count: a better comment must not cost a retraining.
    """
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting.extend(_parsed(name)[1])
    parts = [f"{name} {_parsed(name)[0]}" for name in sorted(reached)]
    parts += [f"{package} {_version(package)}" for package in _NUMERIC_PACKAGES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _parsed(module: str) -> tuple[str, tuple[str, ...]]:
    """Digest of one module's meaning, and the modules of ours that it imports."""
    tree = ast.parse(_path_of(module).read_bytes())
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    ours = sorted({name for name in imported if name.startswith(f"{_PACKAGE}.") and _exists(name)})
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(ours)


def _path_of(module: str) -> Path:
    folder = Path(__file__).resolve().parents[1].joinpath(*module.split(".")[1:])
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _exists(module: str) -> bool:
    return _path_of(module).is_file()


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
