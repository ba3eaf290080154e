"""What is written about one run, as plain values that steps can hand over without importing MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STEPS_PER_FRACTION = 1000
"""MLflow's steps are whole numbers: a label fraction of 0.01 is drawn at step 10, all labels at step 1000."""


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


def label_curve(
    auc_by_strategy: Mapping[str, Mapping[float, float]], *, arm: str, timestamp_ms: int, note: str, colour: str
) -> RunRecord:
    """The summary run of one arm: `auc_<strategy>` over the label fraction, so that MLflow overlays the arms.

    Args:
        auc_by_strategy: strategy -> label fraction in (0, 1] -> AUC averaged over label seeds.
        arm: name of the arm.
        timestamp_ms: when the study was evaluated.
        note: Markdown shown on the run's page.
        colour: of the run in MLflow's charts, `#rrggbb`.
    """
    points = tuple(
        CurvePoint(f"auc_{strategy}", round(STEPS_PER_FRACTION * fraction), auc, timestamp_ms)
        for strategy, auc_by_fraction in auc_by_strategy.items()
        for fraction, auc in sorted(auc_by_fraction.items())
    )
    tags = {"mlflow.note.content": note, "mlflow.runColor": colour}
    return RunRecord({"arm": arm}, curves=points, tags=tags, started_ms=timestamp_ms, ended_ms=timestamp_ms)
