"""The leakage audit: whether a patient or a picture is on two sides of a split, or was pretrained on and then tested.

A split that medtrimix deals can't leak; a split that somebody brings can. **The same picture on two sides** is a common
flaw of public sets (PneumoniaMNIST has eight pictures in both train and validation). The published validation and test
sets must stay as they are, or results are no longer comparable, so the default takes the copies out of training, where
nothing is lost, and says how many. **The same patient on two sides** means that the split wasn't made by patient; to
drop some rows would hide that, so it stops the run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.data.groups import connected_groups
from medtrimix.data.options import AuditOptions
from medtrimix.data.split import SIDES, Texts
from medtrimix.errors import LeakageError

DROPPED = "dropped"
"""The side of rows that no part of a study may use."""

Kind = Literal["same_patient", "same_pixels", "pretrained_patient", "pretrained_pixels"]


@dataclass(frozen=True)
class Finding:
    """One leak.

    Attributes:
        kind: what is shared; `pretrained_...`: between the rows of pretraining and validation or test.
        sides: where it was found.
        patients: pseudonyms of the patients.
        samples: pseudonyms of the images.
    """

    kind: Kind
    sides: tuple[str, ...]
    patients: tuple[str, ...]
    samples: tuple[str, ...]


@dataclass(frozen=True)
class AuditReport:
    """What the audit looked at and what it found.

    Attributes:
        images: images on each side, including `dropped`.
        patients: patients on each side, including `dropped`.
        pretraining_images: images that pretraining sees.
        repeated_pictures: pictures that occur more than once on one side (no leak, but fewer images than rows).
        contradicting_pictures: pictures that have different labels in different places.
        findings: every leak; empty for a clean split.
    """

    images: dict[str, int]
    patients: dict[str, int]
    pretraining_images: int
    repeated_pictures: int
    contradicting_pictures: int
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain dictionaries, lists, texts and numbers."""
        report = asdict(self)
        report["findings"] = [
            {name: list(v) if isinstance(v, tuple) else v for name, v in f.items()} for f in report["findings"]
        ]
        return report


def without_copies(index: pd.DataFrame, split: Texts, *, options: AuditOptions) -> Texts:
    """The split in which the less protected copies of a picture are `dropped`, with all images of their patients.

    Test stays whole; validation loses what test has too; training loses what either has. A copy under another patient's
    name is probably the same patient, so the whole group goes (`connected_groups`). A patient whose own name is on two
    sides is left in place, for the audit to refuse. Unchanged unless `on_leak` is `drop`.
    """
    if options.on_leak != "drop":
        return split
    protection = split.map({side: rank for rank, side in enumerate(SIDES)})
    highest = protection.groupby(connected_groups(index)).transform("max")
    named_on_two_sides = split.groupby(index["patient_id"].to_numpy()).transform("nunique") > 1
    return split.where((protection == highest) | named_on_two_sides, DROPPED)


def audit(index: pd.DataFrame, split: Texts, pretrain_rows: npt.ArrayLike) -> AuditReport:
    """Every patient and every picture on two of train, val and test, or in pretraining and in val or test.

    Args:
        index: the index of the store.
        split: `train`, `val`, `test` or `dropped` for each row.
        pretrain_rows: positions that pretraining sees.
    """
    rows = index[["sample_id", "patient_id", "pixel_sha256", "label"]].assign(side=split.to_numpy())
    pretraining = rows.iloc[np.asarray(pretrain_rows, dtype=np.int64)].assign(side="pretraining")
    used = rows[rows["side"] != DROPPED]
    held_out = used[used["side"] != "train"]
    exposed = pd.concat([held_out, pretraining])
    seen = {"pretraining"}
    findings = [
        *_shared(used, by="patient_id", kind="same_patient"),
        *_shared(used, by="pixel_sha256", kind="same_pixels"),
        *(f for f in _shared(exposed, by="patient_id", kind="pretrained_patient") if seen & set(f.sides)),
        *(f for f in _shared(exposed, by="pixel_sha256", kind="pretrained_pixels") if seen & set(f.sides)),
    ]
    labels = rows.loc[rows["label"] != "", ["pixel_sha256", "label"]].drop_duplicates()
    return AuditReport(
        images=_counts(rows.groupby("side").size()),
        patients=_counts(rows.groupby("side")["patient_id"].nunique()),
        pretraining_images=len(pretraining),
        repeated_pictures=int((used.groupby(["side", "pixel_sha256"]).size() > 1).sum()),
        contradicting_pictures=int(labels.loc[labels.duplicated("pixel_sha256"), "pixel_sha256"].nunique()),
        findings=tuple(findings),
    )


def require_clean(report: AuditReport, *, options: AuditOptions) -> None:
    """Stops a study that leaks.

    Raises:
        LeakageError: the report has findings and `on_leak` is not `warn`.
    """
    if not report.findings or options.on_leak == "warn":
        return
    first = report.findings[0]
    kinds = pd.Series([finding.kind for finding in report.findings]).value_counts(sort=False)
    numbers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    raise LeakageError(
        f"The split leaks ({numbers}), for example patient {first.patients[0]}, images "
        f"{' and '.join(first.samples[:2])}, in {' and '.join(first.sides)}.",
        fix="Split by patient (without a split file or the source's split), or set on_leak: warn to go on regardless.",
    )


def _shared(rows: pd.DataFrame, *, by: str, kind: Kind) -> list[Finding]:
    sides_of_row = rows.groupby(by)["side"].transform("nunique")
    crossing = rows[sides_of_row > 1].sort_values([by, "side", "sample_id"])
    return [
        Finding(
            kind=kind,
            sides=tuple(sorted(set(members["side"]))),
            patients=tuple(sorted(set(members["patient_id"]))),
            samples=tuple(members["sample_id"].unique()),
        )
        for _, members in crossing.groupby(by)
    ]


def _counts(counts: pd.Series[int]) -> dict[str, int]:
    return {side: int(counts.get(side, 0)) for side in (*SIDES, DROPPED)}
