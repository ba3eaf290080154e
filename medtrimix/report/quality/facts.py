"""What there is to know about an array store before anybody learns from it; pseudonyms and numbers only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.data.store import ArrayStore
from medtrimix.findings import SEPARATOR
from medtrimix.ingest.flags import Flag

Counts: TypeAlias = Mapping[str, int]

COLUMNS = (
    "patient_id", "study_id", "series_id", "label", "split", "pixel_sha256", "modality", "encoding", "rows", "columns",
    "slices", "spacing_mm", "column_spacing_mm", "slice_spacing_mm", "spacing_origin", "orientation", "device", "flags",
)  # fmt: skip
"""Columns of the index that the page needs."""

_LOOKED_AT = 2000  # images whose pixels are read: their histograms no longer change with more
_VOXELS = 100 << 20  # and no more than so many bytes of them, so that volumes take seconds too
_AT_A_TIME = 64
_HIDDEN = {Flag.burned_in_text, Flag.secondary_capture}
_BUCKETS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, 50), (51, None))


@dataclass(frozen=True)
class GreyValues:
    """How bright the images of one kind are, as stored.

    Attributes:
        kind: encoding, or pseudonym of the device.
        images: how many were looked at.
        share_256: share of their pixels at each grey value.
        blank: images of one grey value.
    """

    kind: str
    images: int
    share_256: npt.NDArray[np.float64]
    blank: int

    @property
    def mean(self) -> float:
        """Mean grey value."""
        return float(self.share_256 @ np.arange(256))


@dataclass(frozen=True)
class Copies:
    """Samples whose full-size pixels are the same.

    Attributes:
        pictures: different pictures that occur more than once.
        samples: all their occurrences.
        of_several_patients: pictures that occur under several patients.
        contradicting: pictures that have several labels.
    """

    pictures: int
    samples: int
    of_several_patients: int
    contradicting: int


def read_index(store: ArrayStore) -> pd.DataFrame:
    """The columns that the page needs, one row per sample."""
    return store.columns(*COLUMNS)


def counts(values: pd.Series[str]) -> dict[str, int]:
    """How often each value occurs, the most frequent first; "" is "unknown"."""
    found = Counter({str(name) or "unknown": int(count) for name, count in values.value_counts().items()})
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def flag_counts(index: pd.DataFrame) -> dict[Flag, int]:
    """Samples with each flag."""
    found: Counter[str] = Counter()
    for text, count in index["flags"].value_counts().items():
        found.update(dict.fromkeys(str(text).split(), int(count)))
    return {flag: found[flag] for flag in Flag}


def labels_by_split(index: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Label -> split -> samples; of several findings each counts, so that rows may add up to more than all."""
    table: dict[str, dict[str, int]] = {}
    for label, split, count in index.groupby(["label", "split"]).size().reset_index().itertuples(index=False):
        for name in str(label).split(SEPARATOR):
            row = table.setdefault(name or "unlabelled", {})
            row[str(split)] = row.get(str(split), 0) + int(count)
    return dict(sorted(table.items(), key=lambda item: (item[0] == "unlabelled", item[0])))


def images_per_patient(index: pd.DataFrame) -> dict[str, int]:
    """Patients by their number of samples, in buckets."""
    images = index["patient_id"].value_counts().to_numpy()
    found = {}
    for low, high in _BUCKETS:
        inside = (images >= low) & (images <= (high or images.max()))
        name = f"{low}" if low == high else f"{low}-{high}" if high else f"over {low - 1}"
        found[name] = int(inside.sum())
    return found


def copies(index: pd.DataFrame) -> Copies:
    """What `pixel_sha256` says about samples that are the same picture."""
    repeated = index[index["pixel_sha256"].duplicated(keep=False)]
    pictures = repeated.groupby("pixel_sha256")
    labelled = repeated[repeated["label"] != ""].groupby("pixel_sha256")
    patients, labels = pictures["patient_id"].nunique(), labelled["label"].nunique()
    return Copies(
        pictures=int(pictures.ngroups),
        samples=len(repeated),
        of_several_patients=int((patients > 1).sum()),
        contradicting=int((labels > 1).sum()),
    )


def sample_to_show(index: pd.DataFrame, *, most: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows for the contact sheet, at random; none that says that text is burned in, or that is a screen shot."""
    hidden = index["flags"].map(lambda text: bool(_HIDDEN & set(text.split()))).to_numpy(dtype=bool)
    rows = np.flatnonzero(~hidden)
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])


def grey_values(store: ArrayStore, index: pd.DataFrame, *, by: str, most: int, seed: int) -> tuple[GreyValues, ...]:
    """Grey values of a random sample of images of each of the `most` largest kinds, largest kind first.

    Args:
        store: the images.
        index: its index.
        by: column that says of what kind an image is.
        most: number of kinds.
        seed: of the sample.
    """
    kinds = list(index[by].value_counts().index[:most])
    budget = min(_LOOKED_AT, max(_AT_A_TIME, _VOXELS // int(np.prod(store.image_shape))))
    each = max(1, budget // len(kinds))
    generator = np.random.default_rng(seed)
    found = []
    for kind in kinds:
        rows = np.sort(generator.permutation(np.flatnonzero(index[by] == kind))[:each])
        found.append(_grey_values(store, rows, kind=str(kind) or "unknown"))
    return tuple(found)


def _grey_values(store: ArrayStore, rows: npt.NDArray[np.int64], *, kind: str) -> GreyValues:
    count_256 = np.zeros(256, np.int64)
    blank = 0
    for start in range(0, len(rows), _AT_A_TIME):
        for image in store.images(rows[start : start + _AT_A_TIME]):
            of_image = np.bincount(image.ravel(), minlength=256)
            count_256 += of_image
            blank += int(of_image.max() == image.size)
    return GreyValues(kind, len(rows), count_256 / count_256.sum(), blank)
