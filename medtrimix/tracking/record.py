"""What is written about one run, as plain values that steps can hand over without importing MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class CurvePoint:
    """One point of a curve. The same point written twice is one point, so `timestamp_ms` is when it was measured."""

    name: str
    step: int
    value: float
    timestamp_ms: int


@dataclass(frozen=True)
class RunRecord:
    """Everything about one finished run.

    Attributes:
        params: what was asked for.
        metrics: what came out, one number per name.
        curves: what happened on the way.
        artifacts: files or folders, each with the folder of the run that it goes to ("" is the top).
        tags: further facts to search by.
        started_ms, ended_ms: epoch milliseconds; 0 where unknown, then the time of writing stands in.
    """

    params: Mapping[str, str | float | int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Sequence[CurvePoint] = ()
    artifacts: Sequence[tuple[Path, str]] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    started_ms: int = 0
    ended_ms: int = 0


@dataclass(frozen=True)
class LabelPoint:
    """One point of an arm's label curve: `strategy` reached `value` [`low`, `high`] with `labels` labelled images."""

    strategy: str
    labels: int
    value: float
    low: float
    high: float


def label_curve(points: Sequence[LabelPoint], *, arm: str, timestamp_ms: int, note: str, colour: str) -> RunRecord:
    """The summary run of one arm: `auc/<strategy>` over the number of labels, so that MLflow overlays the arms.

    The ends of the intervals are curves of their own, in the group `interval/`, for MLflow's charts have no bands.

    Args:
        points: AUC averaged over seeds.
        arm: name of the arm.
        timestamp_ms: when the study was evaluated.
        note: Markdown shown on the run's page.
        colour: of the run in MLflow's charts, `#rrggbb`.
    """
    curves = tuple(
        CurvePoint(name, point.labels, value, timestamp_ms)
        for point in sorted(points, key=lambda point: point.labels)
        for name, value in (
            (f"auc/{point.strategy}", point.value),
            (f"interval/{point.strategy} low", point.low),
            (f"interval/{point.strategy} high", point.high),
        )
    )
    tags = {"mlflow.note.content": note, "mlflow.runColor": colour}
    return RunRecord({"arm": arm}, curves=curves, tags=tags, started_ms=timestamp_ms, ended_ms=timestamp_ms)


@dataclass(frozen=True)
class Table:
    """A table for a run's page: names of columns, and rows of texts or numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]
