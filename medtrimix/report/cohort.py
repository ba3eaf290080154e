"""Who is in the study: counts from the files to the sides of the split, and what the leakage audit found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from medtrimix.data.store import ArrayStore
from medtrimix.ingest.options import SERVICE
from medtrimix.report.study import AuditCheck, Cohort, SplitCount
from medtrimix.steps import split

_WENT_ON = "the study went on (on_leak: warn)"
_COLOURS = {1: "grey", 3: "RGB"}


def cohort(
    store: ArrayStore, *, split_folder: Path, verdicts: Mapping[str, int], source: str, pretraining: str = ""
) -> Cohort:
    """Counts of a store and its split; `source` is a kind of source, see `source_kind`."""
    side_N = pd.read_csv(split.split_file(split_folder), usecols=["split"])["split"].to_numpy()
    index = store.columns("encoding", "label", "patient_id", "series_id").assign(side=side_N)
    sides = [side for side in ("train", "val", "test", "dropped") if (index["side"] == side).any()]
    channels, *size = store.image_shape
    return Cohort(
        source=source,
        verdicts=verdicts,
        encodings={str(name): int(count) for name, count in index["encoding"].value_counts().items()},
        splits=tuple(_split_count(side, rows=index[index["side"] == side]) for side in sides),
        image=f"{' x '.join(map(str, size))}, {_COLOURS.get(channels, f'{channels} channels')}",
        pretraining=pretraining,
        unit="image" if len(size) == 2 else "volume",
        series=int(index.loc[index["series_id"] != "", "series_id"].nunique()),
        patients=int(index["patient_id"].nunique()),
    )


def source_kind(source: str) -> str:
    """What kind of source it is, never its name."""
    if source.startswith(SERVICE):
        return "DICOMweb service"
    kinds = {".csv": "manifest", ".parquet": "manifest", ".npz": "MedMNIST file"}
    return source if source == "phantom" else kinds.get(Path(source).suffix.lower(), "folder")


def _split_count(side: str, *, rows: pd.DataFrame) -> SplitCount:
    return SplitCount(
        split=side,
        images=len(rows),
        patients=int(rows["patient_id"].nunique()),
        by_class={str(name): int(count) for name, count in rows["label"].value_counts().sort_index().items()},
    )


def audit_checks(report: dict[str, Any], *, on_leak: str) -> tuple[AuditCheck, ...]:
    """The audit's findings by kind, questions first."""
    questions = {
        "same_patient": "Patients on two sides of the split",
        "same_pixels": "Identical pictures on two sides of the split",
        "pretrained_patient": "Patients of val or test seen in pretraining",
        "pretrained_pixels": "Pictures of val or test seen in pretraining",
    }
    counts = {kind: sum(finding["kind"] == kind for finding in report["findings"]) for kind in questions}
    checks = [
        AuditCheck(question, counts[kind], _WENT_ON if counts[kind] else "", leak=counts[kind] > 0)
        for kind, question in questions.items()
    ]
    dropped = report["images"]["dropped"]
    if on_leak == "drop":
        action = "left out of training and validation" if dropped else ""
        checks.append(AuditCheck("Copies of pictures of a more protected side", dropped, action))
    return tuple(checks)
