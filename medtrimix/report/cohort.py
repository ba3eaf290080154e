"""Who is in the study: counts from the files to the sides of the split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from medtrimix.data.store import ArrayStore
from medtrimix.findings import are_several, classes_of, present
from medtrimix.ingest.flags import Flag
from medtrimix.ingest.options import SERVICE
from medtrimix.report.study import Cohort, SplitCount
from medtrimix.steps import split

_COLOURS = {1: "grey", 3: "RGB"}


def cohort(
    store: ArrayStore,
    *,
    split_folder: Path,
    verdicts: Mapping[str, int],
    source: str,
    frozen: bool = False,
    pretraining: str = "",
) -> Cohort:
    """Counts of a store and its split.

    Args:
        store: of the learning data.
        split_folder: of the step `split`.
        verdicts: what became of the files.
        source: a kind of source, see `source_kind`.
        frozen: whether a file decided on the split.
        pretraining: what other data was pretrained on, "" for none.
    """
    side_N = pd.read_csv(split.split_file(split_folder), usecols=["split"])["split"].to_numpy()
    index = store.columns("encoding", "label", "patient_id", "series_id", "split", "flags").assign(side=side_N)
    unknown_N = index["flags"].map(lambda flags: Flag.no_patient_number in flags.split())
    split_by: Literal["patient", "source"] = "source" if (index["split"] != "").any() else "patient"
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
        without_patient=int(unknown_N.sum()),
        split_by="file" if frozen else split_by,
    )


def source_kind(source: str) -> str:
    """What kind of source it is, never its name."""
    if source.startswith(SERVICE):
        return "DICOMweb service"
    kinds = {".csv": "manifest", ".parquet": "manifest", ".npz": "MedMNIST file"}
    return source if source == "phantom" else kinds.get(Path(source).suffix.lower(), "folder")


def _by_class(labels: pd.Series[str]) -> dict[str, int]:
    """Images of each class, or with each finding; "" is unlabelled."""
    counts = {str(name): int(count) for name, count in labels.value_counts().sort_index().items()}
    if not are_several(counts):
        return counts
    unlabelled = {"": counts[""]} if "" in counts else {}
    return unlabelled | {
        name: sum(count for label, count in counts.items() if name in present(label)) for name in classes_of(counts)
    }


def _split_count(side: str, *, rows: pd.DataFrame) -> SplitCount:
    return SplitCount(
        split=side,
        images=len(rows),
        patients=int(rows["patient_id"].nunique()),
        by_class=_by_class(rows["label"]),
    )
