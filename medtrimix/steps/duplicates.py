"""Pictures that are nearly the same: within the store, or between it and the store that pretraining sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config import model
from medtrimix.config.files import read_json, replacing, write_json
from medtrimix.errors import Interrupted
from medtrimix.steps import ingest
from medtrimix.steps.context import Context

if TYPE_CHECKING:
    from medtrimix.data.likeness import Floats, NearDuplicates
    from medtrimix.data.store import ArrayStore


class Config(model.Config):
    """The smallest likeness that can count as nearly the same."""

    likeness: float


@dataclass(frozen=True)
class Inputs:
    """Folder of `ingest`; with `pretraining`, another one, pairs are sought between the two only."""

    ingest: Path
    pretraining: Path | None = None


def pairs_file(folder: Path) -> Path:
    """CSV: row, other, likeness; rows of the two stores, or twice of the one."""
    return folder / "pairs.csv"


def load_pairs(folder: Path) -> NearDuplicates:
    """The pairs that `run` left."""
    import numpy as np
    import pandas as pd

    from medtrimix.data.likeness import NearDuplicates

    table = pd.read_csv(pairs_file(folder))
    return NearDuplicates(
        table["row"].to_numpy(dtype=np.int64),
        table["other"].to_numpy(dtype=np.int64),
        table["likeness"].to_numpy(dtype=np.float32),
        required=read_json(folder / "facts.json")["required"],
    )


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Reads every image once, keeps a thumbnail of each, and compares all pairs of different patients."""
    import numpy as np
    import pandas as pd

    from medtrimix.data.groups import connected_groups
    from medtrimix.data.likeness import near_duplicates
    from medtrimix.data.store import ArrayStore

    folders = [inputs.ingest] if inputs.pretraining is None else [inputs.ingest, inputs.pretraining]
    stores = [ArrayStore.open(ingest.store_folder(folder)) for folder in folders]
    index = pd.concat([store.columns("patient_id", "pixel_sha256") for store in stores], ignore_index=True)
    found = near_duplicates(
        np.concatenate(list(_thumbnails(stores, context=context))),
        group_N=connected_groups(index),
        at_least=config.likeness,
        first=None if inputs.pretraining is None else len(stores[0]),
        told=partial(_tell, context, unit="compared"),
    )
    other_P = found.other_P if inputs.pretraining is None else found.other_P - len(stores[0])
    table = pd.DataFrame({"row": found.row_P, "other": other_P, "likeness": found.likeness_P})
    with replacing(pairs_file(out)) as temporary:
        table.to_csv(temporary, index=False)
    write_json(out / "facts.json", {"required": found.required, "images": [len(store) for store in stores]})
    context.recorder.metrics.update({"near_duplicates": len(table), "required_likeness": found.required})


def _thumbnails(stores: list[ArrayStore], *, context: Context) -> Iterator[Floats]:
    from medtrimix.data.likeness import thumbnails

    done, total = 0, sum(len(store) for store in stores)
    for store in stores:
        for thumbnail_BT in thumbnails(store.images, count=len(store)):
            done += len(thumbnail_BT)
            _tell(context, done, total, unit="images")
            yield thumbnail_BT


def _tell(context: Context, done: int, total: int, *, unit: str) -> None:
    context.recorder.progress(done, total, unit=unit)
    if context.should_stop():
        raise Interrupted(f"Stopped after {done:,} of {total:,} {unit}.")
