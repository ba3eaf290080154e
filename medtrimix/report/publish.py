"""Putting a finished study into MLflow: the report, the answer, and one label-efficiency curve per arm."""

from __future__ import annotations

import time

from medtrimix.report.efficiency import efficiencies
from medtrimix.report.figures.style import looks
from medtrimix.report.headline import headline
from medtrimix.report.note import markdown_note
from medtrimix.report.study import Study
from medtrimix.report.summary import SummaryRow, summarise, summary_table
from medtrimix.report.wording import interval, labels_needed, strategy_title
from medtrimix.report.write import ReportFiles
from medtrimix.tracking.record import LabelPoint, RunRecord, Table, label_curve
from medtrimix.tracking.store import Tracker

ANSWER = "answer"
"""Tag of a study's run: its answer, for the table of runs."""


def publish(study: Study, *, files: ReportFiles, tracker: Tracker, parent_id: str) -> None:
    """Adds to the study's run: its files under `report/`, its note, its tables, its AUCs, and a child run per arm."""
    rows = summarise(study)
    arms = looks(study)
    now_ms = time.time_ns() // 1_000_000
    tags = {ANSWER: headline(study).answer}
    tracker.log_record(parent_id, RunRecord(metrics=_few_labels(study, rows), tags=tags, ended_ms=now_ms))
    for arm in study.arms:
        own = [row for row in rows if row.arm == arm]
        points = [
            LabelPoint(row.strategy, row.n_labels, auc.value, auc.low, auc.high)
            for row in own
            for auc in (row.metrics["auc"],)
        ]
        tracker.log_child(
            parent_id,
            task_key=f"summary/{study.digest}/{arm}",
            name=f"{arm} over labels",
            kind="summary",
            record=label_curve(points, arm=arm, timestamp_ms=now_ms, note=_curve_note(own), colour=arms[arm].colour),
        )
    tracker.set_note(parent_id, markdown_note(study))
    tracker.log_tables(parent_id, _tables(study), folder="tables")
    for file in (files.html, files.csv, files.json):
        tracker.log_artifacts(parent_id, file, folder="report")
    tracker.log_artifacts(parent_id, files.figures, folder="report/figures")
    tracker.log_artifacts(parent_id, files.config)
    tracker.log_artifacts(parent_id, files.environment)


def _tables(study: Study) -> dict[str, Table]:
    """What a reader of MLflow's pages looks for first, as texts; `results.json` has the numbers."""
    results = Table(
        ("labels", "pretraining", "learner", "AUC", "accuracy", "balanced accuracy", "AUC difference", "n (patients)"),
        [
            (row.labels, row.arm, row.strategy, row.auc, row.accuracy, row.balanced_accuracy, row.difference, row.n)
            for row in summary_table(study)
        ],
    )
    needed = Table(
        ("pretraining", "learner", "labels used", "labels that the control needs"),
        [
            (one.arm, strategy_title(one.strategy), one.n_labels, labels_needed(one.needed))
            for one in efficiencies(study)
        ],
    )
    return {"results": results, **({"label_efficiency": needed} if needed.rows else {})}


def _few_labels(study: Study, rows: tuple[SummaryRow, ...]) -> dict[str, float]:
    """AUC of every arm at the smallest budget with the first strategy, the one that the headline speaks of."""
    shown = [row for row in rows if (row.budget, row.strategy) == (study.budgets[0], study.strategies[0])]
    return {f"auc {row.strategy} at {row.n_labels} labels/{row.arm}": row.metrics["auc"].value for row in shown}


def _curve_note(rows: list[SummaryRow]) -> str:
    """What the steps mean, and the intervals that MLflow's chart cannot show."""
    lines = ["Step = number of labelled images. Best seen with a logarithmic x axis (chart settings).", ""]
    lines += [
        f"- {row.n_labels:,} labels, {strategy_title(row.strategy)}: AUC {interval(row.metrics['auc'])}, "
        f"n = {row.n_test:,} images of {row.n_patients:,} patients"
        for row in rows
    ]
    return "\n".join(lines)
