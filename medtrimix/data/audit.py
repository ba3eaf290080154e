"""The leakage audit: whether a patient or a picture is on two sides of a split, or was pretrained on and then tested.

A split that medtrimix deals can't leak; a split that somebody brings can. **The same picture on two sides**, be it byte
for byte or nearly (`likeness`), is a common flaw of public sets (PneumoniaMNIST has eight pictures in both train and
validation). The published validation and test sets must stay as they are, or results are no longer comparable, so the
default takes the copies out of training, where nothing is lost, and says how many. **The same patient on two sides**
means that the split wasn't made by patient; to drop some rows would hide that, so it stops the run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.data.groups import connected_groups
from medtrimix.data.likeness import NearDuplicates
from medtrimix.data.options import AuditOptions
from medtrimix.data.split import SIDES, Texts
from medtrimix.errors import LeakageError

DROPPED = "dropped"
"""The side of rows that no part of a study may use."""
SEEN = "pretraining"
"""Where a finding says that pretraining has an image."""

Kind: TypeAlias = Literal[
    "same_patient",
    "same_pixels",
    "near_duplicate",
    "pretrained_patient",
    "pretrained_pixels",
    "pretrained_near_duplicate",
    "label_subset",
]
COLUMNS = ("sample_id", "patient_id", "label", "split", "pixel_sha256")
"""Of the index, what splits and audits read."""
_NAMED = 12


@dataclass(frozen=True)
class Finding:
    """One leak.

    Attributes:
        kind: what is shared; `pretrained_...`: between the rows of pretraining and validation or test;
            `label_subset`: a labelled subset is not what it should be.
        sides: where it was found.
        patients: pseudonyms of the patients.
        samples: pseudonyms of the images.
        likeness: of near-duplicates, how alike they are, up to 1; of equal pixels 1; None for patients.
    """

    kind: Kind
    sides: tuple[str, ...]
    patients: tuple[str, ...]
    samples: tuple[str, ...]
    likeness: float | None = None

    def __str__(self) -> str:
        alike = f" (likeness {self.likeness:.3f})" if self.kind.endswith("near_duplicate") else ""
        return (
            f"{self.kind.replace('_', ' ')}: {_some(self.patients, what='patient')}, "
            f"{_some(self.samples, what='image')}, in {' and '.join(self.sides)}{alike}"
        )


@dataclass(frozen=True)
class Pretraining:
    """What pretraining sees.

    Attributes:
        index: the index of its store, with `COLUMNS`.
        rows: positions in it that are seen.
        near: pairs of a row of the learning store and a row of `index` that are nearly the same.
        dropped: how many of another source were left out for what they have to do with validation or test.
    """

    index: pd.DataFrame
    rows: npt.NDArray[np.int64]
    near: NearDuplicates
    dropped: int = 0

    @classmethod
    def inside(cls, index: pd.DataFrame, rows: npt.ArrayLike, *, near: NearDuplicates | None = None) -> Pretraining:
        """Pretraining on rows of the learning store itself, whose own pairs are `near`."""
        own = (near or NearDuplicates.none()).mirrored()
        return cls(index, np.asarray(rows, dtype=np.int64), own)


@dataclass(frozen=True)
class AuditReport:
    """What the audit looked at and what it found.

    Attributes:
        images: images on each side, including `dropped`.
        patients: patients on each side, including `dropped`.
        pretraining_images: images that pretraining sees.
        pretraining_dropped: images of a source of its own that it does not see, for their patients or pictures are in
            validation or test.
        repeated_pictures: pictures that occur more than once on one side (no leak, but fewer images than rows).
        contradicting_pictures: pictures that have different labels in different places.
        near_duplicates: pairs of different patients that are nearly the same, wherever they are; None: nobody looked.
        required_likeness: from which likeness on two pictures count as nearly the same; None: nobody looked.
        label_subsets: labelled subsets that were looked at.
        findings: every leak; empty for a clean split.
        resolved: leaks that are none any more, because images were dropped.
    """

    images: dict[str, int]
    patients: dict[str, int]
    pretraining_images: int
    pretraining_dropped: int
    repeated_pictures: int
    contradicting_pictures: int
    near_duplicates: int | None
    required_likeness: float | None
    label_subsets: int
    findings: tuple[Finding, ...]
    resolved: tuple[Finding, ...] = ()

    def after(self, before: AuditReport) -> AuditReport:
        """The same report; what an audit found before images were dropped is in `resolved`."""
        left = {(found.kind, found.samples) for found in self.findings}
        gone = tuple(found for found in before.findings if (found.kind, found.samples) not in left)
        return replace(self, resolved=gone)

    def to_json(self) -> dict[str, Any]:
        """The same as plain dictionaries, lists, texts and numbers."""
        report = asdict(self)
        for key in ("findings", "resolved"):
            report[key] = [{n: list(v) if isinstance(v, tuple) else v for n, v in f.items()} for f in report[key]]
        return report


def without_copies(
    index: pd.DataFrame, split: Texts, *, options: AuditOptions, near: NearDuplicates | None = None
) -> Texts:
    """The split in which the less protected copies of a picture are `dropped`, with all images of their patients.

    Test stays whole; validation loses what test has too; training loses what either has. A copy, or a near one, under
    another patient's name is probably the same patient, so the whole group goes (`connected_groups`). A patient whose
    own name is on two sides is left in place, for the audit to refuse. Unchanged unless `on_leak` is `drop`.
    """
    if options.on_leak != "drop":
        return split
    protection = split.map({side: rank for rank, side in enumerate(SIDES)})
    highest = protection.groupby(connected_groups(index, near=near)).transform("max")
    named_on_two_sides = split.groupby(index["patient_id"].to_numpy()).transform("nunique") > 1
    return split.where((protection == highest) | named_on_two_sides, DROPPED)


def without_held_out(
    pretraining: pd.DataFrame, split: Texts, *, index: pd.DataFrame, sides: Texts, near: NearDuplicates
) -> Texts:
    """The split of the images for pretraining, without those that have to do with validation or test.

    Args:
        pretraining: index of the images for pretraining.
        split: their side in their own source.
        index: index of the learning store.
        sides: its split.
        near: pairs of a row of `index` and a row of `pretraining` that are nearly the same.

    Returns:
        `split` with `dropped` for every image that shares a patient or a picture with validation or test, be it in a
        chain.
    """
    both = pd.concat([index, pretraining], ignore_index=True)
    shifted = NearDuplicates(near.row_P, near.other_P + len(index), near.likeness_P, near.required)
    group_N = connected_groups(both, near=shifted)
    held_out = np.unique(group_N[: len(index)][sides.isin(["val", "test"]).to_numpy()])
    return split.mask(np.isin(group_N[len(index) :], held_out), DROPPED)


def audit(
    index: pd.DataFrame,
    split: Texts,
    pretraining: Pretraining,
    *,
    near: NearDuplicates | None = None,
    subsets: tuple[int, tuple[Finding, ...]] = (0, ()),
) -> AuditReport:
    """Every patient and every picture on two of train, val and test, or in pretraining and in val or test.

    Args:
        index: the index of the learning store, with `COLUMNS`.
        split: `train`, `val`, `test` or `dropped` for each row.
        pretraining: what pretraining sees.
        near: pairs of rows of `index` that are nearly the same; None: nobody looked.
        subsets: number of labelled subsets that were looked at, and what was found (`subset_audit`).
    """
    rows = index[["sample_id", "patient_id", "pixel_sha256", "label"]].reset_index(drop=True)
    rows["side"] = split.to_numpy()
    seen = pretraining.index[["sample_id", "patient_id", "pixel_sha256"]].assign(side=DROPPED)
    seen.iloc[pretraining.rows, seen.columns.get_loc("side")] = SEEN
    used = rows[rows["side"] != DROPPED]
    exposed = pd.concat([used[used["side"] != "train"], seen[seen["side"] == SEEN]])
    findings = (
        *_shared(used, by="patient_id", kind="same_patient"),
        *_shared(used, by="pixel_sha256", kind="same_pixels"),
        *_near(rows, rows, near=near or NearDuplicates.none(), kind="near_duplicate"),
        *(f for f in _shared(exposed, by="patient_id", kind="pretrained_patient") if SEEN in f.sides),
        *(f for f in _shared(exposed, by="pixel_sha256", kind="pretrained_pixels") if SEEN in f.sides),
        *_near(rows[rows["side"] != "train"], seen, near=pretraining.near, kind="pretrained_near_duplicate"),
        *subsets[1],
    )
    labels = rows.loc[rows["label"] != "", ["pixel_sha256", "label"]].drop_duplicates()
    return AuditReport(
        images=_counts(rows.groupby("side").size()),
        patients=_counts(rows.groupby("side")["patient_id"].nunique()),
        pretraining_images=len(pretraining.rows),
        pretraining_dropped=pretraining.dropped,
        repeated_pictures=int((used.groupby(["side", "pixel_sha256"]).size() > 1).sum()),
        contradicting_pictures=int(labels.loc[labels.duplicated("pixel_sha256"), "pixel_sha256"].nunique()),
        near_duplicates=None if near is None else len(near.row_P),
        required_likeness=None if near is None else near.required,
        label_subsets=subsets[0],
        findings=findings,
    )


def require_clean(report: AuditReport, *, options: AuditOptions) -> None:
    """Stops a study that leaks.

    Raises:
        LeakageError: the report has findings and `on_leak` is not `warn`; it names the first of every kind, then more.
    """
    if not report.findings or options.on_leak == "warn":
        return
    kinds = Counter(finding.kind for finding in report.findings)
    numbers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    left_out = f"\nLeft out, and no leaks any more:{_named(report.resolved)}" if report.resolved else ""
    raise LeakageError(
        f"The study leaks ({numbers}):{_named(report.findings)}.{left_out}{'.' if left_out else ''}",
        fix="audit.html beside the results has all of it. Split by patient (without a split file or the source's "
        "split), take these images out, or set audit.on_leak: warn to go on regardless.",
    )


def _named(findings: tuple[Finding, ...]) -> str:
    """A line for each of the first, of every kind in turn."""
    seen: Counter[Kind] = Counter()
    turn = []
    for finding in findings:
        turn.append(seen[finding.kind])
        seen[finding.kind] += 1
    order = sorted(range(len(findings)), key=turn.__getitem__)[:_NAMED]
    more = len(findings) - len(order)
    return "".join(f"\n  {findings[position]}" for position in order) + (f" and {more:,} more" if more else "")


def _shared(rows: pd.DataFrame, *, by: str, kind: Kind) -> list[Finding]:
    sides_of_row = rows.groupby(by)["side"].transform("nunique")
    crossing = rows[sides_of_row > 1].sort_values([by, "side", "sample_id"])
    return [
        Finding(
            kind=kind,
            sides=tuple(sorted(set(members["side"]))),
            patients=tuple(sorted(set(members["patient_id"]))),
            samples=tuple(members["sample_id"].unique()),
            likeness=1.0 if by == "pixel_sha256" else None,
        )
        for _, members in crossing.groupby(by)
    ]


def _near(rows: pd.DataFrame, others: pd.DataFrame, *, near: NearDuplicates, kind: Kind) -> list[Finding]:
    """Pairs between two sides that are in use; `rows` may lack some of the positions."""
    there = np.isin(near.row_P, rows.index.to_numpy())
    row, other = rows.loc[near.row_P[there]], others.iloc[near.other_P[there]]
    side, other_side = row["side"].to_numpy(), other["side"].to_numpy()
    leaks = ((side != other_side) & (side != DROPPED) & (other_side != DROPPED)).nonzero()[0]
    return [
        Finding(
            kind=kind,
            sides=(str(side[pair]), str(other_side[pair])),
            patients=(row["patient_id"].iloc[pair], other["patient_id"].iloc[pair]),
            samples=(row["sample_id"].iloc[pair], other["sample_id"].iloc[pair]),
            likeness=round(float(near.likeness_P[there][pair]), 4),
        )
        for pair in leaks
    ]


def _counts(counts: pd.Series[int]) -> dict[str, int]:
    return {side: int(counts.get(side, 0)) for side in (*SIDES, DROPPED)}


def _some(names: tuple[str, ...], *, what: str) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names[:4])}{more}"
