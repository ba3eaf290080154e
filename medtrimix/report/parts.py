"""How the two of the opening sentence do at a threshold that is fixed beforehand, and on parts of the test set."""

from __future__ import annotations

from dataclasses import dataclass

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.metrics.groups import GroupResult
from medtrimix.metrics.operating import point_name
from medtrimix.report.study import CellRow, Study
from medtrimix.report.summary import SummaryRow, cells_of, control, summarise
from medtrimix.report.wording import arm_title, count, interval, strategy_title


@dataclass(frozen=True)
class PointRow:
    """A learner at its thresholds, mean over seeds: `pairs` has sensitivity and specificity for each aim."""

    labels: str
    learner: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PartLine:
    """One learner on one part of the test set; `sensitivity` and `specificity` are "" where there is no threshold."""

    learner: str
    auc: str
    sensitivity: str
    specificity: str


@dataclass(frozen=True)
class Part:
    """One part of the test set and how much there is of it; `missing` says why nothing can be measured."""

    value: str
    size: str
    lines: tuple[PartLine, ...]
    missing: str = ""


@dataclass(frozen=True)
class PartTable:
    """The parts by one column of the index, or by finding.

    Attributes:
        column: such as "site".
        labels: how many the learners had.
        aim: specificity on val of the threshold, 0.0 where there is none.
    """

    column: str
    labels: str
    aim: float
    parts: tuple[Part, ...]


def thresholds_for(study: Study) -> tuple[float, ...]:
    """Specificities that thresholds were chosen for."""
    details = study.cells[0].details
    return tuple(dict.fromkeys(point.specificity_aimed for point in details.operating_points)) if details else ()


def operating_table(study: Study) -> tuple[PointRow, ...]:
    """At every label budget; empty where no threshold was chosen, or one for each of several findings."""
    wanted = [(point_name("sensitivity", aim), point_name("specificity", aim)) for aim in thresholds_for(study)]
    rows = {(row.arm, row.strategy, row.budget): row for row in summarise(study)}
    found = [rows.get((*who, budget)) for budget in study.budgets for who in _compared(study)]
    return tuple(
        PointRow(
            labels=f"{row.n_labels:,} ({row.budget})",
            learner=_name(row),
            pairs=tuple((interval(row.metrics[seen]), interval(row.metrics[spared])) for seen, spared in wanted),
        )
        for row in found
        if row is not None and wanted and wanted[0][0] in row.metrics
    )


def part_tables(study: Study) -> tuple[PartTable, ...]:
    """Of the fewest labels and the first repetition; empty where the test set was not taken apart."""
    budget = study.budgets[0]
    cells = [
        cell
        for arm, strategy in _compared(study)
        for cell in cells_of(study, arm=arm, strategy=strategy, budget=budget)[:1]
        if cell.details is not None
    ]
    if not cells:
        return ()
    first = cells[0]
    tables = []
    for column in dict.fromkeys(group.column for group in _groups(first)):
        parts = tuple(
            _part(group, cells=cells, place=place, unit=study.cohort.unit)
            for place, group in enumerate(_groups(first))
            if group.column == column
        )
        has_aim = any(line.sensitivity for part in parts for line in part.lines)
        tables.append(PartTable(column, f"{first.n_labels:,} ({budget})", _aim(first) if has_aim else 0.0, parts))
    return tuple(tables)


def _compared(study: Study) -> list[tuple[str, str]]:
    """Arm and strategy of the answer and of its control."""
    other = control(study)
    return [(study.arms[0], study.strategies[0]), *([other] if other else [])]


def _name(row: SummaryRow | CellRow) -> str:
    return f"{arm_title(row.arm, method=row.method)}, {strategy_title(row.strategy)}"


def _groups(cell: CellRow) -> tuple[GroupResult, ...]:
    assert cell.details is not None
    return cell.details.groups


def _aim(cell: CellRow) -> float:
    """The first, that tables need not be wide."""
    assert cell.details is not None
    points = cell.details.operating_points
    return points[0].specificity_aimed if points else 0.0


def _part(group: GroupResult, *, cells: list[CellRow], place: int, unit: str) -> Part:
    size, of_finding = f"{count(group.n, unit)} ({group.n_patients:,})", group.column == "finding"
    if of_finding:
        size = f"{group.count_K[1]:,} of {size}"
    value = group.value or "not known"
    if group.missing:
        why = "it is in none or in all of them" if of_finding else f"for want of {', '.join(group.missing)}"
        return Part(value, size, (), missing=f"not measured: {why}")
    return Part(value, size, tuple(_line(_groups(cell)[place], cell=cell) for cell in cells))


def _line(group: GroupResult, *, cell: CellRow) -> PartLine:
    """The threshold is one for all parts, or the finding's own."""
    assert cell.details is not None
    seen, spared = (group.metrics.get(point_name(side, _aim(cell))) for side in ("sensitivity", "specificity"))
    for point in cell.details.operating_points:
        if group.column == "finding" and point.finding == group.value and point.specificity_aimed == _aim(cell):
            seen, spared = point.sensitivity, point.specificity
    return PartLine(_name(cell), interval(group.metrics["auc"]), _shown(seen), _shown(spared))


def _shown(found: Estimate | None) -> str:
    return "" if found is None else interval(found)
