"""The README keeps its promises: its tree, its commands, its installation and its places for results."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer
from doc_pages import REPO, blocks, code, pages, section, table, tree

from medtrimix.cli.app import app

README = (REPO / "README.md").read_text(encoding="utf-8")
TREE = blocks(section(README, "The repository"), language="text")[0]
LISTED_IN_FULL = ("medtrimix", "pipelines", "docs", "data_manifests", "docker")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def ghosts(listing: str) -> list[str]:
    """Paths in a tree that are not in the repository."""
    return [path for path in tree(listing) if not (REPO / path).exists()]


def unlisted(listing: str) -> list[str]:
    """Files that the tree should name and does not."""
    known = tree(listing)
    files = (path for folder in LISTED_IN_FULL for path in (REPO / folder).rglob("*") if path.is_file())
    wanted = [path for path in files if path.suffix != ".pyc" and path.name != "__init__.py"]
    names = [str(path.relative_to(REPO)) for path in wanted if not path.name.startswith(".")]
    return sorted(name for name in names if name not in known)


def ranks(listing: str) -> dict[str, int]:
    """What the tree says about the rank of each folder and module of the package's top."""
    said = {path: re.match(r"rank (\d)", words) for path, words in tree(listing).items()}
    return {Path(path).stem: int(found[1]) for path, found in said.items() if found}


def ranks_of_the_rule() -> dict[str, int]:
    """What the test of the arrows enforces."""
    rule = ast.parse((REPO / "tests" / "rules" / "test_arrows.py").read_text())
    values = [n.value for n in rule.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "RANKS"]
    return {name: rank for rank, names in enumerate(ast.literal_eval(values[0])) for name in names}


def unknown_commands(text: str) -> list[str]:
    """Commands and options set as code in a text that `medtrimix` does not have."""
    found = []
    for name, rest in re.findall(r"\bmedtrimix ([a-z][a-z-]*)([^\n]*)", code(text)):
        known = {option for p in COMMANDS[name].params for option in p.opts} if name in COMMANDS else set()
        found += [name] if name not in COMMANDS else []
        found += [f"{name} {option}" for option in re.findall(r" (--[a-z-]+)", rest) if option not in known]
    return found


def unknown_targets(text: str) -> list[str]:
    """`make` targets set as code in a text that the Makefile does not have."""
    known = re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text(), re.MULTILINE)
    return [name for name in re.findall(r"^make ([a-z]+)", code(text), re.MULTILINE) if name not in known]


def missing_install_commands(text: str) -> list[str]:
    """Commands with which the Makefile installs that a text does not name."""
    recipe = (REPO / "Makefile").read_text().split("$(VENV)/installed:")[1].split("touch")[0]
    for short, long in (("$(BIN)", ".venv/bin"), ("$(PYTHON)", "python3"), ("$(VENV)", ".venv"), (" --quiet", "")):
        recipe = recipe.replace(short, long)
    commands = re.findall(r"^\t(.+)$", recipe, re.MULTILINE)
    assert len(commands) == 3, commands
    return [command for command in commands if command not in code(text).splitlines()]


def test_the_tree_is_that_of_the_repository() -> None:
    assert ghosts(TREE) == []
    assert unlisted(TREE) == []


def test_the_tree_can_be_wrong() -> None:
    assert ghosts(TREE + "nowhere.py                    a module that is not there\n") == ["nowhere.py"]
    without = re.sub(r"^ +trimix\.py .*\n", "", TREE, flags=re.MULTILINE)
    assert unlisted(without) == ["medtrimix/methods/trimix.py"]


def test_the_ranks_are_those_that_are_enforced() -> None:
    assert ranks(TREE) == {name: rank for name, rank in ranks_of_the_rule().items() if _exists(name)}


def test_the_ranks_can_be_wrong() -> None:
    assert ranks(TREE.replace("rank 4", "rank 5")) != ranks(TREE)


def _exists(name: str) -> bool:
    return (REPO / "medtrimix" / name).is_dir() or (REPO / "medtrimix" / f"{name}.py").is_file()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPO)))
def test_commands_and_targets_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert unknown_commands(text) == []
    assert unknown_targets(text) == []


def test_commands_and_targets_can_be_wrong() -> None:
    assert unknown_commands("`medtrimix train x` and `medtrimix run p --fast`") == ["train", "run --fast"]
    assert unknown_targets("```bash\nmake coffee   # black\n```") == ["coffee"]


def test_every_command_is_in_the_table() -> None:
    assert {line.split()[1] for line in table(section(README, "Commands")) if " " in line} == set(COMMANDS)


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_it_installs_as_the_makefile_does(page: str) -> None:
    assert missing_install_commands((REPO / page).read_text(encoding="utf-8")) == []


def test_the_installation_can_be_wrong() -> None:
    assert missing_install_commands(README.replace("-c constraints.txt torch", "torch")) == [
        ".venv/bin/python -m pip install -c constraints.txt torch"
    ]


@pytest.mark.parametrize("study", ["chest-xray", "pneumoniamnist"])
def test_results_have_their_place(study: str) -> None:
    assert re.search(rf"^<!-- results:{study} -->$.*?^<!-- /results -->$", README, re.MULTILINE | re.DOTALL)
