"""One cell: a classifier from one arm's encoder and a few labels, and what it says about val and test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from medtrimix.augment.options import AugmentOptions
from medtrimix.config import model
from medtrimix.config.digest import seed_from
from medtrimix.config.files import replacing
from medtrimix.data.options import LabelBudget
from medtrimix.lowlabel.options import StrategyOptions
from medtrimix.lowlabel.semi_options import ConfidenceOptions
from medtrimix.steps import embed, ingest, pretrain, split
from medtrimix.steps.context import Context
from medtrimix.steps.numerics import Numerics

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from medtrimix.data.store import ArrayStore
    from medtrimix.lowlabel.task import Task, Vision

Side = Literal["val", "test"]


class Config(model.Config):
    """One strategy, one label budget, one label seed.

    Attributes:
        augment: of the training images, where the strategy trains the network.
        realistic_validation: val is at most as large as the label budget, see `medtrimix.data.subsets`.
        label_seed: of the labelled subset; the same for every arm, so that cells are paired.
        seed: of the classifier's weights and the order of the images.
    """

    strategy: StrategyOptions
    augment: AugmentOptions
    budget: LabelBudget
    realistic_validation: bool = False
    label_seed: int
    seed: int
    numerics: Numerics


@dataclass(frozen=True)
class Inputs:
    """Folders of `ingest`, `split` and `pretrain`, and of `embed` for strategies on frozen features."""

    ingest: Path
    split: Path
    pretrain: Path
    embed: Path | None = None


@dataclass(frozen=True)
class Predictions:
    """What the classifier says about one side of the split; columns in the order of the sorted class names.

    With several findings the targets are (N, L): 1 for present, 0 for absent.
    """

    probability_NK: npt.NDArray[np.float64]
    target_N: npt.NDArray[np.int64]
    patient_N: npt.NDArray[np.str_]
    sample_N: npt.NDArray[np.str_]


class Pictures(Protocol):
    """Where a task's images come from: a store, or one that has more of them."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of each: (C, H, W) or (C, D, H, W)."""

    def images(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Those of these rows, uint8."""


def load_predictions(folder: Path, *, side: Side) -> Predictions:
    """The predictions that `run` left."""
    import numpy as np

    with np.load(folder / f"{side}.npz", allow_pickle=False) as archive:
        return Predictions(**{name: archive[name] for name in archive.files})


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Learns, predicts val and test once each."""
    import numpy as np

    from medtrimix.data.store import ArrayStore
    from medtrimix.lowlabel.table import learn
    from medtrimix.lowlabel.task import Hooks

    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    index = store.columns("sample_id", "patient_id")
    task = task_of(config, inputs=inputs, store=store, pictures=store)

    def record(step: int, values: Mapping[str, float]) -> None:
        context.recorder.curve(step, values=values)

    predict = learn(task, options=config.strategy, hooks=Hooks(should_stop=context.should_stop, record=record))
    test_N = store.labelled(split.rows_of_side(inputs.split, "test"))
    sides: dict[Side, npt.NDArray[np.int64]] = {"val": task.val.row_N, "test": test_N}
    for side, rows in sides.items():
        with replacing(out / f"{side}.npz") as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                probability_NK=predict(rows),
                target_N=store.targets(rows),
                patient_N=index["patient_id"].to_numpy(dtype=str)[rows],
                sample_N=index["sample_id"].to_numpy(dtype=str)[rows],
            )
    labelled_N = task.train.row_N
    context.recorder.metrics.update(
        n_labels=len(labelled_N),
        n_labelled_patients=int(index["patient_id"].iloc[labelled_N].nunique()),
        label_fraction=len(labelled_N) / len(store.labelled(split.rows_of_side(inputs.split, "train"))),
        n_validation=len(task.val.row_N),
    )


def task_of(config: Config, *, inputs: Inputs, store: ArrayStore, pictures: Pictures) -> Task:
    """The cell's task; its images are those of `pictures`, which are those of the store or more.

    Raises:
        InputError: a class has too few labelled images for the budget.
    """
    import numpy as np

    from medtrimix.data.subsets import label_subset, realistic_validation
    from medtrimix.lowlabel.task import Labelled, Task

    train_N, val_N = (store.labelled(split.rows_of_side(inputs.split, side)) for side in ("train", "val"))
    index = store.columns("sample_id", "patient_id", "label", "split", "pixel_sha256")
    row_N = label_subset(index, train_N, budget=config.budget, seed=config.label_seed)
    if config.realistic_validation:
        val_N = realistic_validation(index, val_N, most=len(row_N), seed=seed_from("validation", config.label_seed))
    return Task(
        classes=len(store.classes),
        train=Labelled(row_N, store.targets(row_N)),
        unlabelled_N=np.setdiff1d(split.rows_of_side(inputs.split, "train"), row_N),
        val=Labelled(val_N, store.targets(val_N)),
        seed=config.seed,
        features=_features(inputs),
        vision=_vision(config, inputs=inputs, pictures=pictures),
        several=store.several_findings,
    )


def _features(inputs: Inputs) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]:
    def features(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        assert inputs.embed is not None, "a strategy on frozen features needs the step that makes them"
        return embed.load_features(inputs.embed)[rows]

    return features


def _vision(config: Config, *, inputs: Inputs, pictures: Pictures) -> Vision:
    from functools import partial

    import torch

    from medtrimix.augment.intensity import normalise
    from medtrimix.augment.views import Augmenter
    from medtrimix.lowlabel.task import Augment, Vision
    from medtrimix.nets.memory import channels_last, images_at_a_time, weights_channels_last
    from medtrimix.nets.weights import load_encoder
    from medtrimix.training.loop import make_fabric

    fabric = make_fabric(device=config.numerics.device, precision=config.numerics.precision)
    arm = pretrain.load_arm(inputs.pretrain)
    augmenter = Augmenter(config.augment, normalisation=arm.normalisation, seed=config.seed)
    strong = config.strategy.strong if isinstance(config.strategy, ConfidenceOptions) else config.augment
    stronger = Augmenter(strong, normalisation=arm.normalisation, seed=seed_from("strong views", config.seed))

    def images(rows: npt.NDArray[np.int64]) -> torch.Tensor:
        return channels_last(torch.from_numpy(pictures.images(rows)).to(fabric.device))

    def views_of(augmenter: Augmenter) -> Augment:
        def view_of(
            image_BCHW: torch.Tensor, *, step: int, rows_B: npt.NDArray[np.int64], view: int = 0
        ) -> torch.Tensor:
            # A row can recur within a few steps, so that steps and not passes bring fresh views.
            return augmenter.view(image_BCHW, epoch=step, rows_B=rows_B, view=view)

        return view_of

    def encoder() -> torch.nn.Module:
        return weights_channels_last(load_encoder(stem=pretrain.encoder_stem(inputs.pretrain)).to(fabric.device))

    return Vision(
        images=images,
        augment=views_of(augmenter),
        strong=views_of(stronger),
        normalise=partial(normalise, normalisation=arm.normalisation),
        encoder=encoder,
        pretrained=arm.pretrained,
        autocast=fabric.autocast,
        images_at_a_time=images_at_a_time(pictures.image_shape),
    )
