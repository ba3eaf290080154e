"""`medtrimix compare`: two runs on one test set."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from medtrimix.cli.console import out
from medtrimix.errors import InputError

_WIDE = 110  # columns of a terminal that take three intervals side by side

if TYPE_CHECKING:
    from medtrimix.metrics.bootstrap import Estimate
    from medtrimix.report.compare import ComparedRuns, Comparison, MetricRow
    from medtrimix.tracking.find import FoundRun


def print_comparison(run_a: str, run_b: str, *, workspace: Path, tracking_uri: str | None, metric: str) -> None:
    """Prints both values, the difference with its interval, and the tests.

    Raises:
        InputError: what can't be compared, and why; or an unknown metric.
    """
    from medtrimix.metrics.definitions import METRICS
    from medtrimix.report.compare import compare
    from medtrimix.tracking.connection import sqlite_uri

    if metric not in METRICS:
        raise InputError(f"There is no metric '{metric}'.", where="--metric", fix=f"Known: {', '.join(METRICS)}.")
    with out.status("Comparing …"):
        found = compare(run_a, run_b, uri=tracking_uri or sqlite_uri(workspace / "mlflow"), workspace=workspace)
    out.print(Text.assemble(("A  ", "bold"), _described(found.a)), soft_wrap=True)
    out.print(Text.assemble(("B  ", "bold"), _described(found.b)), soft_wrap=True)
    out.print(f"Test: n = {found.n:,} images of {found.n_patients:,} patients.")
    out.print(_of_metrics(found.comparisons[0]) if len(found.comparisons) == 1 else _of_groups(found, metric))
    for line in _legend(found):
        out.print(Text(line, style="dim"), soft_wrap=True)


def _described(run: FoundRun) -> str:
    return f"{run.name} ({run.run_id})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(Text(column))
    return table


def _of_metrics(comparison: Comparison) -> Table:
    """One comparison: a line for each metric."""
    table = _table("", "metric", "A [95%]", "B [95%]", "A - B [95%]", "p", "DeLong p")
    for name, row in comparison.metrics.items():
        delong = comparison.delong.p_value if comparison.delong and name == "auc" else math.nan
        table.add_row(name.replace("_", " "), *_values(row), _p(row.p_value), _p(delong))
    return table


def _of_groups(found: ComparedRuns, metric: str) -> Table:
    """Many comparisons: a line for each, of one metric."""
    delong = metric == "auc" and found.comparisons[0].delong is not None
    columns = ("cells", "A [95%]", "B [95%]", "A - B [95%]", "p", "Holm p", *(["DeLong p"] * delong))
    table = _table(f"{metric}, {len(found.comparisons)} comparisons", *columns)
    for each in found.comparisons:
        row = each.metrics[metric]
        tests = [_p(row.p_value), _p(row.p_holm), *([_p(each.delong.p_value)] if delong and each.delong else [])]
        table.add_row(" ".join(each.group).strip(), *_values(row), *tests)
    return table


def _values(row: MetricRow) -> list[Text]:
    return [Text(_interval(row.a)), Text(_interval(row.b)), Text(_interval(row.difference, signed=True))]


def _legend(found: ComparedRuns) -> list[str]:
    seeds = sorted({each.seeds for each in found.comparisons})
    means = f"Means over {'-'.join(map(str, seeds))} pairs of cells with the same seeds. " if seeds != [1] else ""
    lines = [f"{means}A - B and p: paired bootstrap over patients. DeLong p: of the AUCs, patients as clusters."]
    if any(each.pretrainings > 1 for each in found.comparisons):
        lines.append("The spread between pretrainings is part of A - B and p, not of DeLong p.")
    if len(found.comparisons) > 1:
        lines.append("Holm p: adjusted for all the comparisons of this table; the others are not.")
    return lines


def _interval(found: Estimate, *, signed: bool = False) -> str:
    """`.953 [.932, .971]`, on two lines where the terminal is narrow."""

    def number(value: float) -> str:
        text = f"{value:+.3f}" if signed else f"{value:.3f}"
        return text.replace("0.", ".", 1)

    between = " " if out.width >= _WIDE else "\n"
    if math.isnan(found.low):
        return f"{number(found.value)}{between}[not known]"
    return f"{number(found.value)}{between}[{number(found.low)}, {number(found.high)}]"


def _p(value: float) -> str:
    if math.isnan(value):
        return ""
    return "<.001" if value < 0.001 else f"{value:.3f}".replace("0.", ".", 1)
