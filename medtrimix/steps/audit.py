"""The proof that nothing leaks, before anything is trained: split, pretraining and labelled subsets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medtrimix.config import model
from medtrimix.config.files import write_json
from medtrimix.data.options import AuditOptions, LabelBudget
from medtrimix.steps import duplicates, ingest, split
from medtrimix.steps.context import Context

if TYPE_CHECKING:
    import pandas as pd

    from medtrimix.data.audit import Finding, Pretraining
    from medtrimix.data.likeness import NearDuplicates


class Draw(model.Config):
    """A labelled subset that the study learns from."""

    budget: LabelBudget
    seed: int


class Config(model.Config):
    """How strict to be, and which labelled subsets there are."""

    audit: AuditOptions
    draws: tuple[Draw, ...]


@dataclass(frozen=True)
class Inputs:
    """Folders of `ingest`, `split` and `duplicates` of the learning data.

    For other pretraining data those of its `ingest` and `pool`, and of the `duplicates` between the two.
    """

    ingest: Path
    split: Path
    duplicates: Path | None = None
    pretraining: Path | None = None
    pool: Path | None = None
    between: Path | None = None


def audit_file(folder: Path) -> Path:
    """JSON: what the audit looked at and found; it is there when the study was refused, too."""
    return folder / "audit.json"


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Looks for leaks, writes down what it found, and stops the study or warns.

    Raises:
        LeakageError: something leaks, and `on_leak` is not `warn`.
        LabelBudgetError: a budget asks for more labels than there are.
    """
    from medtrimix.data.audit import COLUMNS, audit, require_clean
    from medtrimix.data.store import ArrayStore

    index = ArrayStore.open(ingest.store_folder(inputs.ingest)).columns(*COLUMNS)
    side_N, dealt_N = split.load_sides(inputs.split), split.load_sides(inputs.split, column="dealt")
    near = duplicates.load_pairs(inputs.duplicates) if inputs.duplicates else None
    report = audit(
        index,
        side_N,
        _pretraining(inputs, index=index, near=near, column="split"),
        near=near,
        subsets=(len(config.draws), _subset_findings(config, index=index, side_N=side_N)),
    )
    before = audit(index, dealt_N, _pretraining(inputs, index=index, near=near, column="dealt"), near=near)
    report = report.after(before)
    write_json(audit_file(out), {"on_leak": config.audit.on_leak, **report.to_json()})
    require_clean(report, options=config.audit)
    context.recorder.metrics["findings"] = len(report.findings)
    if report.findings:
        context.recorder.warn(
            f"{len(report.findings)} leaks, and the study goes on (on_leak: warn); its results are not to be trusted. "
            f"First: {report.findings[0]}."
        )


def _pretraining(
    inputs: Inputs, *, index: pd.DataFrame, near: NearDuplicates | None, column: Literal["split", "dealt"]
) -> Pretraining:
    """What pretraining sees, or as `dealt` what it would have seen of another source."""
    from medtrimix.data.audit import COLUMNS, DROPPED, Pretraining
    from medtrimix.data.likeness import NearDuplicates
    from medtrimix.data.store import ArrayStore

    if inputs.pretraining is None or inputs.pool is None:
        # Before images were dropped, a leak into train was one into pretraining: to say it twice helps nobody.
        return Pretraining.inside(
            index, split.rows_of_side(inputs.split, "train" if column == "split" else ""), near=near
        )
    return Pretraining(
        index=ArrayStore.open(ingest.store_folder(inputs.pretraining)).columns(*COLUMNS),
        rows=(split.load_sides(inputs.pool, column=column) == "train").to_numpy().nonzero()[0],
        near=duplicates.load_pairs(inputs.between) if inputs.between else NearDuplicates.none(),
        dropped=len(split.rows_of_side(inputs.pool, DROPPED)),
    )


def _subset_findings(config: Config, *, index: pd.DataFrame, side_N: pd.Series[str]) -> tuple[Finding, ...]:
    from medtrimix.data.subset_audit import Subset, audit_subsets
    from medtrimix.data.subsets import label_subset

    train_N = (side_N == "train").to_numpy().nonzero()[0]
    return audit_subsets(
        index,
        side_N,
        subsets=[
            Subset(draw.budget, draw.seed, label_subset(index, train_N, budget=draw.budget, seed=draw.seed))
            for draw in config.draws
        ],
    )
