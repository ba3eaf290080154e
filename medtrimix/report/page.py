"""The page that a clinician reads: one HTML file that asks nothing of any other."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medtrimix.report.headline import headline
from medtrimix.report.study import UNTRAINED, Study
from medtrimix.report.summary import TableRow, majority_accuracy, summary_table
from medtrimix.report.wording import arm_title, count, interval, strategy_title

_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A figure inside the page: `alt` says what it shows to those who can't see it."""

    name: str
    uri: str
    alt: str


def embed(path: Path, *, alt: str) -> Picture:
    """The picture's file as a `data:` address."""
    text = base64.b64encode(path.read_bytes()).decode("ascii")
    return Picture(path.stem, f"data:{_MEDIA[path.suffix]};base64,{text}", alt)


def page(study: Study, *, pictures: tuple[Picture, ...]) -> str:
    """The report as HTML; every text from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    first = study.cells[0]
    return environment.get_template("page.html.j2").render(
        study=study,
        headline=headline(study),
        figures={picture.name: picture for picture in pictures},
        groups=_grouped(summary_table(study)),
        reference=arm_title(study.arms[0], method=study.methods[study.arms[0]]),
        majority=_majority(study),
        arms=[arm_title(arm, method=study.methods[arm]) for arm in study.arms],
        pretrained=[arm for arm in study.arms if study.methods[arm] != UNTRAINED],
        strategies=[strategy_title(strategy) for strategy in study.strategies],
        has_trimix="trimix" in study.methods.values(),
        has_linear="linear" in study.strategies,
        label_seeds=len({cell.label_seed for cell in study.cells}),
        draws=len(next(iter(first.draws.values()))),
        first=first,
    )


def _grouped(rows: tuple[TableRow, ...]) -> dict[str, dict[str, list[TableRow]]]:
    """The rows by strategy, then by label budget."""
    groups: dict[str, dict[str, list[TableRow]]] = {}
    for row in rows:
        groups.setdefault(row.strategy, {}).setdefault(row.labels, []).append(row)
    return groups


def _majority(study: Study) -> str:
    accuracy = majority_accuracy(study)
    return "" if accuracy is None else interval(accuracy)
