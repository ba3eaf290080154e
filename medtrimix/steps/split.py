"""Who is in train, val and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medtrimix.config import model
from medtrimix.config.files import replacing
from medtrimix.data.options import AuditOptions, SplitOptions
from medtrimix.steps import duplicates, ingest
from medtrimix.steps.context import Context

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd


class Config(model.Config):
    """How to split, and what happens to copies on two sides.

    Attributes:
        file_content: digest of the frozen split's file, empty without one.
    """

    split: SplitOptions
    audit: AuditOptions
    file_content: str
    seed: int


@dataclass(frozen=True)
class Inputs:
    """Folders of `ingest` and `duplicates`; the frozen split's file if there is one."""

    ingest: Path
    duplicates: Path | None = None
    file: Path | None = None


def split_file(folder: Path) -> Path:
    """CSV: sample_id, patient_id, split, dealt, one line per row of the store, in its order.

    `dealt` is the side before copies were dropped.
    """
    return folder / "split.csv"


def frozen_file(folder: Path) -> Path:
    """CSV: pixel_sha256, patient, split; what `split.file` takes, at this site or another.

    Images are named by their content and patients by a running number, so nothing in it depends on the site's secret.
    """
    return folder / "frozen.csv"


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Splits by patient and by picture, and drops leaking copies if asked to; the step `audit` looks at the result."""
    from medtrimix.data.audit import COLUMNS, DROPPED, without_copies
    from medtrimix.data.split import SIDES, require_every_class, split_by_patient
    from medtrimix.data.store import ArrayStore

    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    index = store.columns(*COLUMNS)
    options = config.split.model_copy(update={"file": str(inputs.file) if inputs.file else None})
    near = duplicates.load_pairs(inputs.duplicates) if inputs.duplicates else None
    dealt_N = split_by_patient(index, options=options, seed=config.seed, near=near)
    side_N = without_copies(index, dealt_N, options=config.audit, near=near)
    require_every_class(index, side_N)
    with replacing(split_file(out)) as temporary:
        index[["sample_id", "patient_id"]].assign(split=side_N, dealt=dealt_N).to_csv(temporary, index=False)
    with replacing(frozen_file(out)) as temporary:
        _frozen(index, side_N).to_csv(temporary, index=False)
    for side in (*SIDES, DROPPED):
        members = index[side_N == side]
        context.recorder.metrics[f"images_{side}"] = len(members)
        context.recorder.metrics[f"patients_{side}"] = members["patient_id"].nunique()


def _frozen(index: pd.DataFrame, side_N: pd.Series[str]) -> pd.DataFrame:
    first_picture = index.groupby("patient_id")["pixel_sha256"].min()
    number = first_picture.rank(method="first").astype(int)
    table = index[["pixel_sha256"]].assign(
        patient=[f"p{number[patient]:06d}" for patient in index["patient_id"]], split=side_N
    )
    return table[table["split"] != "dropped"].drop_duplicates().sort_values("pixel_sha256")


def load_sides(folder: Path, *, column: Literal["split", "dealt"] = "split") -> pd.Series[str]:
    """`train`, `val`, `test` or `dropped` for each row of the store; as `dealt`, before copies were dropped."""
    import pandas as pd

    side_N: pd.Series[str] = pd.read_csv(split_file(folder), usecols=[column], dtype=str)[column]
    return side_N


def rows_of_side(folder: Path, side: str) -> npt.NDArray[np.int64]:
    """Rows of the store that are in `train`, `val`, `test` or `dropped`, ascending."""
    import pandas as pd

    # As categories: a byte for each of a million rows, where texts take eight and more.
    side_N = pd.read_csv(split_file(folder), usecols=["split"], dtype="category")["split"]
    rows: npt.NDArray[np.int64] = (side_N == side).to_numpy().nonzero()[0]
    return rows
