"""Tables of finished studies, from the files that the report left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from medtrimix.cli.console import out
from medtrimix.config.files import read_json
from medtrimix.errors import InputError


def print_results(name: str | None, *, workspace: Path) -> None:
    """Prints the table of one study, or of all.

    Raises:
        InputError: there is no such study, or none at all.
    """
    folders = sorted(path.parent for path in (workspace / "results").glob("*/results.json"))
    if not folders:
        raise InputError("There are no results yet.", where=str(workspace), fix="medtrimix run PIPELINE makes some.")
    if name is not None:
        known = ", ".join(folder.name for folder in folders)
        folders = [folder for folder in folders if folder.name == name]
        if not folders:
            raise InputError(f"There are no results named '{name}'.", where=str(workspace), fix=f"Known: {known}.")
    for folder in folders:
        print_table(folder)


def print_table(folder: Path) -> None:
    """Prints arm x strategy x label budget -> AUC and accuracy with 95% intervals, and n."""
    results = read_json(folder / "results.json")
    summaries = results["summaries"]
    first = summaries[0]
    table = Table(title=f"{results['study']}: test of {first['n_test']:,} images, {first['n_patients']:,} patients")
    for column in ("strategy", "labels", "arm", "AUC [95% interval]", "accuracy [95% interval]", "label seeds"):
        table.add_column(column, justify="right" if column in ("labels", "label seeds") else "left")
    previous = first
    for row in summaries:
        if (row["strategy"], row["budget"]) != (previous["strategy"], previous["budget"]):
            table.add_section()
        previous = row
        table.add_row(
            row["strategy"],
            f"{row['n_labels']:,} ({row['budget']})",
            row["arm"],
            _interval(row["metrics"]["auc"]),
            _interval(row["metrics"]["accuracy"]),
            str(row["seeds"]),
        )
    out.print(table)
    majority = results["majority_class_accuracy"]
    if majority is not None:
        out.print(f"Always naming the commonest class of train: accuracy {_interval(majority)}.")


def _interval(facts: dict[str, Any]) -> str:
    """`.953 [.932, .971]`, as papers print it."""
    value, low, high = (f"{facts[name]:.3f}".replace("0.", ".", 1) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
