"""The page that a clinician reads: one HTML file that asks nothing of any other."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medtrimix.report.efficiency import efficiencies
from medtrimix.report.headline import headline
from medtrimix.report.html import Picture, environment
from medtrimix.report.methods_text import methods_text
from medtrimix.report.parts import operating_table, part_tables, thresholds_for
from medtrimix.report.study import CHECKPOINT, Study
from medtrimix.report.summary import TableRow, control, differences, majority_accuracy, summary_table
from medtrimix.report.wording import arm_title, interval, labels_needed, learner_title, strategy_title


def page(study: Study, *, pictures: tuple[Picture, ...]) -> str:
    """The report as HTML; every text from outside is escaped."""
    first = study.cells[0]
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            study=study,
            headline=headline(study),
            leaks=[check for check in study.audit if check.leak],
            against=_against(study),
            adjusted=any(math.isfinite(gap.p_holm) for gap in differences(study)),
            efficiency=_efficiency(study),
            efficiency_budgets=_budgets(study),
            methods=methods_text(study),
            figures={picture.name: picture for picture in pictures},
            groups=_grouped(summary_table(study)),
            reference=arm_title(study.arms[0], method=study.methods[study.arms[0]]),
            majority=_majority(study),
            aims=thresholds_for(study),
            points=operating_table(study),
            parts=part_tables(study),
            has_trimix="trimix" in study.methods.values(),
            has_linear="linear" in study.learners.values(),
            pretrain_seeds=len({cell.pretrain_seed for cell in study.cells}),
            label_seeds=len({cell.label_seed for cell in study.cells}),
            first=first,
        )
    )


@dataclass(frozen=True)
class EfficiencyRow:
    """What the control needs, one text per budget, empty where there is no cell."""

    strategy: str
    arm: str
    needed: tuple[str, ...]


def _efficiency(study: Study) -> list[EfficiencyRow]:
    texts: dict[tuple[str, str], dict[str, str]] = {}
    for one in efficiencies(study):
        texts.setdefault((one.strategy, one.arm), {})[one.budget] = labels_needed(one.needed)
    return [
        EfficiencyRow(
            strategy=strategy_title(strategy),
            arm=arm_title(arm, method=study.methods[arm]),
            needed=tuple(of_budget.get(budget, "") for budget in study.budgets),
        )
        for (strategy, arm), of_budget in texts.items()
    ]


def _budgets(study: Study) -> list[str]:
    sizes = {cell.budget: cell.n_labels for cell in study.cells}
    return [f"{sizes[budget]:,} ({budget})" for budget in study.budgets]


def _against(study: Study) -> str:
    """The control in prose, empty where there is none."""
    found = control(study)
    if found is None:
        return ""
    own_network = study.methods[study.arms[0]] == CHECKPOINT
    arm, strategy = found
    return learner_title(arm, method=study.methods[arm], strategy=strategy, same_network=not own_network)


def _grouped(rows: tuple[TableRow, ...]) -> dict[str, dict[str, list[TableRow]]]:
    """The rows by strategy, then by label budget."""
    groups: dict[str, dict[str, list[TableRow]]] = {}
    for row in rows:
        groups.setdefault(row.strategy, {}).setdefault(row.labels, []).append(row)
    return groups


def _majority(study: Study) -> str:
    accuracy = majority_accuracy(study)
    return "" if accuracy is None else interval(accuracy)
