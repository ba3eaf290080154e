"""The page that a clinician reads: one HTML file that asks nothing of any other."""

from __future__ import annotations

from medtrimix.report.headline import headline
from medtrimix.report.html import Picture, environment
from medtrimix.report.study import UNTRAINED, Study
from medtrimix.report.summary import TableRow, majority_accuracy, summary_table
from medtrimix.report.wording import arm_title, interval, strategy_title


def page(study: Study, *, pictures: tuple[Picture, ...]) -> str:
    """The report as HTML; every text from outside is escaped."""
    first = study.cells[0]
    return (
        environment()
        .get_template("page.html.j2")
        .render(
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
            pretrain_seeds=len({cell.pretrain_seed for cell in study.cells}),
            label_seeds=len({cell.label_seed for cell in study.cells}),
            draws=len(next(iter(first.draws.values()))),
            first=first,
        )
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
