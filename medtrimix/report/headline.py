"""The answer in plain sentences, by rules that were fixed before there were results.

The sentence speaks of the smallest label budget, of the reference arm with the first strategy, and of the control: the
untrained arm, finetuned where that was done. Nothing is picked because its number is high.
"""

from __future__ import annotations

from dataclasses import dataclass

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.report.study import UNTRAINED, CellRow, Study
from medtrimix.report.summary import SummaryRow, paired, summarise
from medtrimix.report.wording import METHOD_TITLES, arm_title, count, interval, signed_interval, strategy_title


@dataclass(frozen=True)
class Headline:
    """The opening of the report; `verdict` is empty where there is nothing to compare with."""

    answer: str
    verdict: str


def headline(study: Study) -> Headline:
    """What the study found at its smallest label budget."""
    rows = {(row.arm, row.strategy): row for row in summarise(study) if row.budget == study.budgets[0]}
    ours = rows[study.arms[0], study.strategies[0]]
    control = _control(study, rows)
    test = f"{count(ours.n_test, 'test image')} of {count(ours.n_patients, 'patient')}"
    share = f"{ours.budget} of the training set" if ours.budget.endswith("%") else ours.budget
    answer = (
        f"With {count(ours.n_labels, 'labelled image')} ({share}), {_named(ours)} reaches an AUC of "
        f"{interval(ours.metrics['auc'])} on {test}"
    )
    if control is None:
        return Headline(answer + ".", "")
    answer += f"; {_named(control)} reaches {interval(control.metrics['auc'])}."
    return Headline(answer, _verdict(_paired(study, ours, control)))


def _control(study: Study, rows: dict[tuple[str, str], SummaryRow]) -> SummaryRow | None:
    """The untrained arm, finetuned if possible; without one the second arm; None if there is a single arm."""
    others = sorted(study.arms[1:], key=lambda arm: study.methods[arm] != UNTRAINED)
    strategies = sorted(study.strategies, key=lambda strategy: strategy != "finetune")
    for arm in others:
        for strategy in strategies if study.methods[arm] == UNTRAINED else study.strategies:
            if (arm, strategy) in rows:
                return rows[arm, strategy]
    return None


def _named(row: SummaryRow) -> str:
    if row.method == UNTRAINED and arm_title(row.arm, method=row.method) == METHOD_TITLES[UNTRAINED]:
        return f"the same network without pretraining ({strategy_title(row.strategy)})"
    return f"{arm_title(row.arm, method=row.method)} ({strategy_title(row.strategy)})"


def _paired(study: Study, ours: SummaryRow, theirs: SummaryRow) -> Estimate:
    """Difference of two rows over the seeds that both have."""
    return paired(_cells(study, ours), _cells(study, theirs), metric="auc")


def _cells(study: Study, row: SummaryRow) -> list[CellRow]:
    chosen = (row.arm, row.strategy, row.budget)
    return [cell for cell in study.cells if (cell.arm, cell.strategy, cell.budget) == chosen]


def _verdict(gap: Estimate) -> str:
    text = f"The paired difference is {signed_interval(gap)}: "
    if gap.low > 0:
        return text + "an advantage that the choice of test patients alone does not explain."
    if gap.high < 0:
        return text + "a disadvantage that the choice of test patients alone does not explain."
    return text + "this test set cannot tell the two apart."
