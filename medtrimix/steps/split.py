"""Who is in train, val and test, and the proof that nobody is in two of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config import model
from medtrimix.config.files import replacing, write_json
from medtrimix.data.options import AuditOptions, SplitOptions
from medtrimix.steps import ingest
from medtrimix.steps.context import Context

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd


class Config(model.Config):
    """How to split and how strictly to audit.

    Attributes:
        file_content: digest of the frozen split's file, empty without one.
    """

    split: SplitOptions
    audit: AuditOptions
    file_content: str
    seed: int


@dataclass(frozen=True)
class Inputs:
    """Folder of `ingest`; the frozen split's file if there is one."""

    ingest: Path
    file: Path | None = None


def split_file(folder: Path) -> Path:
    """CSV: sample_id, patient_id, split, one line per row of the store, in its order."""
    return folder / "split.csv"


def frozen_file(folder: Path) -> Path:
    """CSV: pixel_sha256, patient, split; what `split.file` takes, at this site or another.

    Images are named by their content and patients by a running number, so nothing in it depends on the site's secret.
    """
    return folder / "frozen.csv"


def audit_file(folder: Path) -> Path:
    """JSON: what the leakage audit looked at and found."""
    return folder / "audit.json"


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Splits by patient, drops leaking copies if asked to, audits the result and stops if it leaks."""
    from medtrimix.data.audit import audit, require_clean, without_copies
    from medtrimix.data.split import split_by_patient
    from medtrimix.data.store import ArrayStore

    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    index = store.columns("sample_id", "patient_id", "label", "split", "pixel_sha256")
    options = config.split.model_copy(update={"file": str(inputs.file) if inputs.file else None})
    side_N = split_by_patient(index, options=options, seed=config.seed)
    side_N = without_copies(index, side_N, options=config.audit)
    report = audit(index, side_N, (side_N == "train").to_numpy().nonzero()[0])
    write_json(audit_file(out), report.to_json())
    require_clean(report, options=config.audit)
    with replacing(split_file(out)) as temporary:
        index[["sample_id", "patient_id"]].assign(split=side_N).to_csv(temporary, index=False)
    with replacing(frozen_file(out)) as temporary:
        _frozen(index, side_N).to_csv(temporary, index=False)
    context.recorder.metrics.update({f"images_{side}": count for side, count in report.images.items()})
    context.recorder.metrics.update({f"patients_{side}": count for side, count in report.patients.items()})


def _frozen(index: pd.DataFrame, side_N: pd.Series[str]) -> pd.DataFrame:
    first_picture = index.groupby("patient_id")["pixel_sha256"].min()
    number = first_picture.rank(method="first").astype(int)
    table = index[["pixel_sha256"]].assign(
        patient=[f"p{number[patient]:06d}" for patient in index["patient_id"]], split=side_N
    )
    return table[table["split"] != "dropped"].drop_duplicates().sort_values("pixel_sha256")


def rows_of_side(folder: Path, side: str) -> npt.NDArray[np.int64]:
    """Rows of the store that are in `train`, `val`, `test` or `dropped`, ascending."""
    import pandas as pd

    side_N = pd.read_csv(split_file(folder), usecols=["split"])["split"].to_numpy()
    rows: npt.NDArray[np.int64] = (side_N == side).nonzero()[0]
    return rows
