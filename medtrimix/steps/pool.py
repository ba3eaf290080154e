"""Which images of another source pretraining sees: none that has to do with validation or test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medtrimix.config import model
from medtrimix.config.files import replacing
from medtrimix.data.options import AuditOptions
from medtrimix.errors import InputError
from medtrimix.steps import duplicates, ingest, split
from medtrimix.steps.context import Context


class Config(model.Config):
    """What happens to images that have to do with validation or test."""

    audit: AuditOptions


@dataclass(frozen=True)
class Inputs:
    """Folders of `ingest` and `split` of the learning data, `ingest` of the other, `duplicates` between them."""

    ingest: Path
    split: Path
    pretraining: Path
    duplicates: Path | None = None


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Leaves a table like that of `split`, for the pretraining data.

    Its own split stays, if it has one, and pretraining sees its train side; without one it sees everything. With
    `on_leak: drop` an image of a patient of validation or test, or of a picture of theirs, is `dropped`.

    Raises:
        InputError: nothing is left.
    """
    from medtrimix.data.audit import COLUMNS, without_held_out
    from medtrimix.data.likeness import NearDuplicates
    from medtrimix.data.store import ArrayStore

    learning = ArrayStore.open(ingest.store_folder(inputs.ingest)).columns(*COLUMNS)
    index = ArrayStore.open(ingest.store_folder(inputs.pretraining)).columns(*COLUMNS)
    side_N = dealt_N = index["split"].where(index["split"] != "", "train")
    if config.audit.on_leak == "drop":
        near = duplicates.load_pairs(inputs.duplicates) if inputs.duplicates else NearDuplicates.none()
        side_N = without_held_out(index, side_N, index=learning, sides=split.load_sides(inputs.split), near=near)
    if not (side_N == "train").any():
        raise InputError(
            f"None of the {len(index)} images can be pretrained on: they are no train images, or are of patients or "
            "pictures in val or test of `data`.",
            where="pretrain.data",
            fix="Take other images for pretraining.",
        )
    with replacing(split.split_file(out)) as temporary:
        index[["sample_id", "patient_id"]].assign(split=side_N, dealt=dealt_N).to_csv(temporary, index=False)
    seen = index[side_N == "train"]
    context.recorder.metrics.update({"images": len(seen), "patients": seen["patient_id"].nunique()})
    context.recorder.metrics["images_dropped"] = int((side_N == "dropped").sum())
