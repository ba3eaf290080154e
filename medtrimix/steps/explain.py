"""What the answers of one cell rest on: how they change when a square of the image is covered.

For a few validation images: those that the report shows. The cell's classifier is learned again, from the same seed,
for nothing of it is kept; of MONAI's `OcclusionSensitivity` no use is made, because it asks a module, one image at a
time, and learners here need not be one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config import model
from medtrimix.config.files import replacing
from medtrimix.errors import Interrupted
from medtrimix.lowlabel.options import FROZEN
from medtrimix.steps import ingest, learn, pretrain
from medtrimix.steps.context import Context

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from medtrimix.data.covered import CoveredImages
    from medtrimix.lowlabel.task import Predict, Task

_LEAST = 1e-6
"""Probabilities closer to 0 or 1 than that count as that far: the odds of 0 are not a number."""


class Config(model.Config):
    """The cell's own configuration."""

    cell: learn.Config


@dataclass(frozen=True)
class Inputs:
    """Folders of the cell's inputs, and its own: see `learn.Inputs`."""

    ingest: Path
    split: Path
    pretrain: Path
    learn: Path
    embed: Path | None = None


@dataclass(frozen=True)
class Explained:
    """Validation images and what the answer to each rests on.

    Attributes:
        kind_B, column_B: why it was chosen, and what the answer is about, see `metrics.examples.Chosen`.
        row_B: of the store.
        probability_BK: of each class or finding.
        target_B: class numbers; of several findings (B, L), 0 and 1.
        evidence_BYX: by how much the log-odds of that class or finding fall when a cell of the image is covered, the
            mean over the squares that cover it.
    """

    kind_B: npt.NDArray[np.str_]
    column_B: npt.NDArray[np.int64]
    row_B: npt.NDArray[np.int64]
    probability_BK: npt.NDArray[np.float64]
    target_B: npt.NDArray[np.int64]
    evidence_BYX: npt.NDArray[np.float64]


def load_explained(folder: Path) -> Explained:
    """What `run` left."""
    import numpy as np

    with np.load(folder / "explained.npz", allow_pickle=False) as archive:
        return Explained(**{name: archive[name] for name in archive.files})


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Chooses the images by the predictions that the cell left, learns once more, and covers them."""
    import numpy as np

    from medtrimix.data.covered import CELLS, CoveredImages
    from medtrimix.data.store import ArrayStore
    from medtrimix.lowlabel.table import learn as learn_task
    from medtrimix.lowlabel.task import Hooks
    from medtrimix.metrics.examples import choose

    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    said = learn.load_predictions(inputs.learn, side="val")
    chosen = choose(said.probability_NK, said.target_N)
    place_B = chosen.place_B
    row_of = {name: row for row, name in enumerate(store.columns("sample_id")["sample_id"])}
    row_B = np.array([row_of[name] for name in said.sample_N[place_B]], dtype=np.int64)
    mean = pretrain.load_arm(inputs.pretrain).normalisation.mean  # what the encoder sees there is zero
    pictures = CoveredImages(store, row_N=row_B, fill_C=[round(255 * grey) for grey in mean])
    own = learn.Inputs(ingest=inputs.ingest, split=inputs.split, pretrain=inputs.pretrain, embed=inputs.embed)
    task = learn.task_of(config.cell, inputs=own, store=store, pictures=pictures)
    if isinstance(config.cell.strategy, FROZEN):
        task = dataclasses.replace(task, features=_features(task, pictures=pictures))
    hooks = Hooks(should_stop=context.should_stop, record=_unheard)
    predict = learn_task(task, options=config.cell.strategy, hooks=hooks)
    maps = np.zeros((len(place_B), CELLS, CELLS))
    for number, column in enumerate(chosen.column_B):
        if context.should_stop():
            raise Interrupted(f"Stopped after {number} images.")
        maps[number] = _evidence(predict, pictures.covered(number), column=int(column))
        context.recorder.progress(number + 1, len(place_B), unit="images")
    with replacing(out / "explained.npz") as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            kind_B=chosen.kind_B,
            column_B=chosen.column_B,
            row_B=row_B,
            probability_BK=said.probability_NK[place_B],
            target_B=said.target_N[place_B],
            evidence_BYX=maps,
        )


def _unheard(step: int, values: Mapping[str, float]) -> None:
    """The cell itself has told its curves."""


def _evidence(predict: Predict, rows: npt.NDArray[np.int64], *, column: int) -> npt.NDArray[np.float64]:
    import numpy as np

    from medtrimix.data.covered import as_map

    probability_S = predict(rows)[:, column].clip(_LEAST, 1 - _LEAST)
    odds_S = np.log(probability_S) - np.log1p(-probability_S)
    return as_map(odds_S[-1] - odds_S[:-1])


def _features(task: Task, *, pictures: CoveredImages) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.floating]]:
    """Those that were kept, and of covered images those that the encoder gives now."""
    import numpy as np
    import torch

    vision, kept = task.vision, task.features
    encoder = vision.encoder().eval()

    def features(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        if not pictures.is_covered(rows):
            return kept(rows)
        parts = []
        with torch.inference_mode(), vision.autocast():
            for start in range(0, len(rows), vision.images_at_a_time):
                image_BCHW = vision.images(rows[start : start + vision.images_at_a_time])
                parts.append(encoder(vision.normalise(image_BCHW)).float().cpu().numpy())
        return np.concatenate(parts)

    return features
