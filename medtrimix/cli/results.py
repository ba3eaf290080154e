"""Tables of finished studies, from the files that the report left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal

from rich import box
from rich.table import Table
from rich.text import Text

from medtrimix.cli.console import out
from medtrimix.config.files import read_json
from medtrimix.errors import InputError

Form = Literal["table", "csv", "json"]


def print_results(name: str | None, *, workspace: Path, form: Form = "table") -> None:
    """Prints the results of one study, or of all: a table, or the file that has every number.

    CSV has one row per cell, of several studies one after the other; JSON is one object, of several studies a list.

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
    if form == "json":
        found = [read_json(folder / "results.json") for folder in folders]
        sys.stdout.write(json.dumps(found[0] if name is not None else found, indent=1) + "\n")
        return
    for folder in folders:
        if form == "csv":
            sys.stdout.write((folder / "results.csv").read_text(encoding="utf-8"))
        else:
            print_table(folder)


def print_table(folder: Path) -> None:
    """Prints arm x strategy x label budget -> AUC and accuracy with 95% intervals, and n; 80 columns suffice."""
    results = read_json(folder / "results.json")
    summaries = results["summaries"]
    first = summaries[0]
    title = f"{results['study']}: test n = {first['n_test']:,} {results['cohort'].get('unit', 'image')}s"
    if results["cohort"].get("knows_patients", True):  # studies published by an earlier version don't say
        title += f" of {first['n_patients']:,} patients"
    title += "; means over "
    seeds = sorted({row["label_seeds"] for row in summaries})
    pretrainings = max(row["pretrain_seeds"] for row in summaries)
    title += f"{pretrainings} pretrainings x " if pretrainings > 1 else ""
    title += f"{'-'.join(map(str, seeds))} label seed{'s' * (seeds != [1])}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("strategy", "labels", "arm", "AUC [95% interval]", "accuracy [95%]"):
        table.add_column(Text(column), justify="right" if column == "labels" else "left", no_wrap=True)
    previous = first
    for row in summaries:
        if (row["strategy"], row["budget"]) != (previous["strategy"], previous["budget"]):
            table.add_section()
        previous = row
        table.add_row(
            row["strategy"],
            f"{row['n_labels']:,} ({row['budget']})",
            row["arm"],
            Text(_interval(row["metrics"]["auc"])),
            Text(_interval(row["metrics"]["accuracy"])),
        )
    out.print(table)
    for found in results.get("collapses", []):  # studies published by an earlier version have none
        number = f" ({found['pretrain_seed']})" if pretrainings > 1 else ""
        what = f"{found['arm']}{number}: {found['message']}. Its numbers are those of a broken network."
        out.print(Text.assemble(("collapsed ", "bold red"), what))
    if results["description"]:
        out.print(Text(results["description"], style="italic"))
    majority = results["majority_class_accuracy"]
    if majority is not None:
        out.print(f"Always naming the commonest class of train: accuracy {_interval(majority)}.", markup=False)


def _interval(facts: dict[str, Any]) -> str:
    """`.953 [.932, .971]`, as papers print it; what is null is not known."""
    if facts["low"] is None:
        return f"{facts['value']:.3f} [not known]".replace("0.", ".", 1)
    value, low, high = (f"{facts[name]:.3f}".replace("0.", ".", 1) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
