"""The numbers of a study as files: one line per cell for a spreadsheet, everything for a program."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from medtrimix.config.files import replacing, write_json
from medtrimix.metrics.bootstrap import Estimate
from medtrimix.metrics.details import as_facts
from medtrimix.report.efficiency import Efficiency, efficiencies
from medtrimix.report.study import CellRow, Study
from medtrimix.report.summary import Difference, SummaryRow, differences, majority_accuracy, summarise

_CELL_KEYS = (
    "arm",
    "method",
    "strategy",
    "budget",
    "fraction",
    "pretrain_seed",
    "label_seed",
    "n_labels",
    "n_labelled_patients",
    "n_test",
    "n_patients",
)
_SUMMARY_KEYS = (
    "arm",
    "method",
    "strategy",
    "budget",
    "fraction",
    "n_labels",
    "n_labelled_patients",
    "n_test",
    "n_patients",
    "pretrain_seeds",
    "label_seeds",
)


def write_csv(path: Path, study: Study) -> None:
    """One row per cell: what it is, then every metric as `<metric>`, `<metric>_low`, `<metric>_high`; NaN is empty."""
    names = list(dict.fromkeys(name for cell in study.cells for name in cell.metrics))
    header = [*_CELL_KEYS, *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))]
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(_csv_row(cell, names) for cell in study.cells)


def _csv_row(cell: CellRow, names: list[str]) -> list[str | int | float]:
    row: list[str | int | float] = [getattr(cell, key) for key in _CELL_KEYS]
    for name in names:
        found = cell.metrics.get(name)
        parts = (math.nan,) * 3 if found is None else (found.value, found.low, found.high)
        row.extend("" if math.isnan(part) else repr(part) for part in parts)
    return row


def write_results(path: Path, study: Study) -> None:
    """JSON with cells, summaries over label seeds, paired differences, data counts and audit; NaN is null."""
    write_json(path, results(study))


def results(study: Study) -> dict[str, Any]:
    """What `write_results` writes."""
    majority = majority_accuracy(study)
    return {
        "study": study.name,
        "digest": study.digest,
        "description": study.description,
        "finished": study.finished,
        "classes": list(study.classes),
        "reference_arm": study.arms[0],
        "summaries": [_summary(row) for row in summarise(study)],
        "differences": [_difference(gap) for gap in differences(study)],
        "label_efficiency": [_efficiency(one) for one in efficiencies(study)],
        "majority_class_accuracy": None if majority is None else _estimate(majority),
        "cells": [_cell(cell) for cell in study.cells],
        "cohort": {
            "source": study.cohort.source,
            "image": study.cohort.image,
            "pretraining": study.cohort.pretraining,
            "unit": study.cohort.unit,
            "series": study.cohort.series,
            "patients": study.cohort.patients,
            "without_patient": study.cohort.without_patient,
            "knows_patients": study.cohort.knows_patients,
            "split_by": study.cohort.split_by,
            "verdicts": dict(study.cohort.verdicts),
            "encodings": dict(study.cohort.encodings),
            "splits": [
                {"split": side.split, "images": side.images, "patients": side.patients, "by_class": dict(side.by_class)}
                for side in study.cohort.splits
            ],
        },
        "audit": [
            {"question": check.question, "findings": check.findings, "action": check.action, "leak": check.leak}
            for check in study.audit
        ],
        "environment": dict(study.environment),
        "collapses": [
            {"arm": found.arm, "pretrain_seed": found.pretrain_seed, "message": found.message}
            for found in study.collapses
        ],
        "timings": [{"step": time.step, "seconds": time.seconds, "cached": time.cached} for time in study.timings],
    }


def _cell(cell: CellRow) -> dict[str, Any]:
    metrics = {name: _estimate(found) for name, found in cell.metrics.items()}
    details = as_facts(cell.details) if cell.details else None
    return {key: getattr(cell, key) for key in _CELL_KEYS} | {"metrics": metrics, "details": details}


def _summary(row: SummaryRow) -> dict[str, Any]:
    metrics = {
        name: _estimate(found) | {"sd_label_seeds": _or_null(row.sd[name])} for name, found in row.metrics.items()
    }
    return {key: getattr(row, key) for key in _SUMMARY_KEYS} | {"metrics": metrics}


def _difference(gap: Difference) -> dict[str, Any]:
    keys = ("reference", "other", "strategy", "budget", "n_labels", "pretrain_seeds", "label_seeds", "metric")
    p_values = {"p_value": _or_null(gap.p_value), "p_holm": _or_null(gap.p_holm)}
    return {key: getattr(gap, key) for key in keys} | _estimate(gap.estimate) | p_values


def _efficiency(one: Efficiency) -> dict[str, Any]:
    """Labels that the control needs; null is more than `most`, `fewest` is that many or fewer."""
    needed = {key: _or_null(getattr(one.needed, key)) for key in ("value", "low", "high", "fewest", "most")}
    return {"arm": one.arm, "strategy": one.strategy, "budget": one.budget, "n_labels": one.n_labels, **needed}


def _estimate(found: Estimate) -> dict[str, float | int | None]:
    return {
        "value": _or_null(found.value),
        "low": _or_null(found.low),
        "high": _or_null(found.high),
        "n": found.n,
        "n_patients": found.n_patients,
        "undefined_draws": found.undefined_draws,
    }


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None
