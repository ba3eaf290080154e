"""Pretraining of one arm's encoder, without labels, on the training side of the split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.config import model
from medtrimix.config.files import write_json
from medtrimix.errors import InputError
from medtrimix.methods.options import ArmOptions, CheckpointOptions, NoneOptions, PretrainingOptions
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import ingest, split
from medtrimix.steps.context import Context
from medtrimix.steps.numerics import Numerics
from medtrimix.training.health import UNTRAINED, OnCollapse, WatchOptions, Work
from medtrimix.training.options import OptimizerOptions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from lightning.fabric import Fabric

    from medtrimix.data.store import ArrayStore
    from medtrimix.methods.method import Method
    from medtrimix.nets.encoder import Encoder
    from medtrimix.training.average import WithAverage
    from medtrimix.training.order import StepOrder
    from medtrimix.training.watch import Probe, Watcher

CHECKPOINT = "checkpoint.pt"


class Config(model.Config):
    """One arm.

    Attributes:
        image_budget: images through the encoder, so that methods with two and with three passes do the same work.
        epochs: passes over the images instead, see `StepOrder`; one of the two is None.
        accumulate: parts that the batch of a step is cut into, each a batch of its own to the method.
        ema: share that the average of the encoder keeps at each step; 0: the encoder itself is saved.
        compiled: whether the encoder goes through torch.compile.
        processes: that share the training.
        seed: of the first weights, the order of images, their augmentation and their mixing.
        weights_content: digest of a checkpoint, from `nets.card.content_of`.
        watch: how the representation is looked at on the way.
        on_collapse: whether a collapsed representation is a warning or the end.
    """

    method: ArmOptions
    encoder: EncoderOptions
    augment: AugmentOptions
    batch_size: int
    image_budget: int | None
    epochs: int | None
    optimizer: OptimizerOptions
    accumulate: int = Field(default=1, ge=1)
    ema: float = Field(default=0.0, ge=0.0, lt=1.0)
    compiled: bool = False
    processes: int = Field(default=1, ge=1)
    numerics: Numerics
    seed: int
    weights_content: str = ""
    watch: WatchOptions = WatchOptions()
    on_collapse: OnCollapse = "warn"


@dataclass(frozen=True)
class Inputs:
    """Folders of `ingest` and `split`; for a checkpoint the name that its two files share."""

    ingest: Path
    split: Path
    weights: Path | None = None


def encoder_stem(folder: Path) -> Path:
    """The encoder: this name with `.safetensors` and `.json`."""
    return folder / "encoder"


def views_file(folder: Path) -> Path:
    """npz: what the method saw of a few images.

    `original_BCHW`, `view1_BCHW`, `view2_BCHW`, with mixing `virtual_BCHW`, all uint8, and float64 `lambda_B`. Of
    volumes it is the middle slice.
    """
    return folder / "views.npz"


class Arm(model.Config):
    """What a user of the encoder must know besides its weights.

    Attributes:
        pretrained: whether it has learned anything; False for the arm from scratch.
        normalisation: of its images, from the training side.
    """

    pretrained: bool
    normalisation: Normalisation


def load_arm(folder: Path) -> Arm:
    """The arm that `run` left."""
    return Arm.model_validate_json((folder / "arm.json").read_bytes())


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Trains the encoder, leaves it at its first weights for the method `none`, or takes that of a checkpoint.

    Raises:
        InputError: the checkpoint is for other images, or is none.
    """
    from medtrimix.augment.measure import measure_normalisation
    from medtrimix.data.store import ArrayStore
    from medtrimix.nets.weights import save_encoder
    from medtrimix.training.processes import together

    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    rows_N = split.rows_of_side(inputs.split, "train")
    arm = Arm(pretrained=config.method.method != "none", normalisation=measure_normalisation(store.images, rows=rows_N))
    if isinstance(config.method, CheckpointOptions):
        encoder = _taken(inputs.weights, content=config.weights_content, image_shape=store.image_shape)
    else:
        encoder = _first_encoder(config, store=store)
    if not isinstance(config.method, NoneOptions | CheckpointOptions):
        _check_parts(config, images=len(rows_N))
        given = (config.model_dump_json(), inputs, arm.normalisation.model_dump_json(), out)
        with together(config.processes, others=_take_part, args=given, device=config.numerics.device):
            _train(
                encoder,
                config.method,
                config=config,
                store=store,
                rows_N=rows_N,
                normalisation=arm.normalisation,
                split_folder=inputs.split,
                out=out,
                context=context,
            )
    save_encoder(encoder, stem=encoder_stem(out))
    write_json(out / "arm.json", arm.model_dump(mode="json"))
    context.recorder.params.update({"method": config.method.method, "encoder": config.encoder.name})
    if config.weights_content:
        context.recorder.params["weights"] = f"sha256 {config.weights_content}"


def _taken(stem: Path | None, *, content: str, image_shape: tuple[int, ...]) -> Encoder:
    """The encoder of a checkpoint. Errors don't say where it lies."""
    from medtrimix.nets.card import content_of, why_unfit
    from medtrimix.nets.weights import load_encoder

    assert stem is not None, "a checkpoint has files"
    where = "pretrain.arms, method checkpoint"
    try:
        encoder = load_encoder(stem=stem)
        changed = content_of(stem) != content
    except InputError as error:
        raise InputError(error.what, where=where, fix=error.fix) from None
    if changed:
        raise InputError("its files changed while the study ran.", where=where, fix="Give the same command again.")
    if unfit := why_unfit(encoder.spec, image_shape=image_shape):
        fix = "Take a checkpoint of such images, or change data.channels, data.image_size or data.volume."
        raise InputError(f"{unfit}.", where=where, fix=fix)
    return encoder


def _first_encoder(config: Config, *, store: ArrayStore) -> Encoder:
    """With its first weights; leaves torch's generator where the method's heads are drawn from."""
    import torch

    from medtrimix.nets.encoder import build_encoder

    channels, *image_size = store.image_shape
    torch.manual_seed(config.seed)
    return build_encoder(config.encoder, channels=channels, image_size=tuple(image_size))


def _take_part(config_json: str, inputs: Inputs, normalisation_json: str, out: Path) -> None:
    """The same training in another process, which writes nothing."""
    from medtrimix.data.store import ArrayStore

    config = Config.model_validate_json(config_json)
    assert not isinstance(config.method, NoneOptions | CheckpointOptions)
    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    _train(
        _first_encoder(config, store=store),
        config.method,
        config=config,
        store=store,
        rows_N=split.rows_of_side(inputs.split, "train"),
        normalisation=Normalisation.model_validate_json(normalisation_json),
        split_folder=inputs.split,
        out=out,
        context=None,
    )


def _train(
    encoder: Encoder,
    options: PretrainingOptions,
    *,
    config: Config,
    store: ArrayStore,
    rows_N: npt.NDArray[np.int64],
    normalisation: Normalisation,
    split_folder: Path,
    out: Path,
    context: Context | None,
) -> None:
    """Trains the encoder in place; without a context some other process does the writing."""
    from medtrimix.augment.views import Augmenter
    from medtrimix.methods.table import build_method
    from medtrimix.nets.memory import weights_channels_last
    from medtrimix.nets.sharing import share_batch_statistics
    from medtrimix.steps.pretraining.batches import Batches
    from medtrimix.steps.pretraining.monitor import Recording, Silent
    from medtrimix.steps.pretraining.probe import make_probe
    from medtrimix.steps.pretraining.sheet import save_views
    from medtrimix.training.average import WithAverage
    from medtrimix.training.loop import LoopOptions, make_fabric, train
    from medtrimix.training.optimizer import build_optimizer
    from medtrimix.training.order import StepOrder

    if config.processes > 1:
        share_batch_statistics(encoder)
    method = weights_channels_last(build_method(options, encoder=encoder))
    trained: Method | WithAverage = method
    if config.ema:
        trained = WithAverage(method, network=encoder, after_step=method.after_step, decay=config.ema)
    if config.compiled:
        encoder.net.compile()
    numerics = config.numerics
    fabric = make_fabric(device=numerics.device, precision=numerics.precision, processes=config.processes)
    order = StepOrder(rows_N, batch_size=config.batch_size, seed=config.seed, parts=config.accumulate)
    images_per_step = order.batch_size * method.passes_per_step
    total_steps = _total_steps(config, order=order, images_per_step=images_per_step)
    augmenter = Augmenter(config.augment, normalisation=normalisation, seed=config.seed)
    batches = Batches(
        store, order=order, augmenter=augmenter, total=total_steps * config.accumulate, device=fabric.device
    )
    work = Work(total_steps, order.steps_per_epoch, images_per_step)
    watcher = None
    if context is not None:
        probe = make_probe(
            store,
            options=config.watch,
            split_folder=split_folder,
            rows_N=rows_N,
            augmenter=augmenter,
            device=fabric.device,
        )
        watcher = _watcher(method, probe=probe, work=work, fabric=fabric) if probe else None
    train(
        trained,
        optimizer=build_optimizer(config.optimizer, of=method),
        batch_at=batches.at,
        after_step=trained.after_step,
        fabric=fabric,
        options=LoopOptions(
            total_steps=total_steps,
            warmup_steps=round(config.optimizer.warmup * total_steps),
            checkpoint=out / CHECKPOINT,
            checkpoint_every_s=context.checkpoint_every_s if context else math.inf,
            final_learning_rate=config.optimizer.final_learning_rate,
            accumulate=config.accumulate,
        ),
        monitor=Recording(context, work=work, watcher=watcher, on_collapse=config.on_collapse) if context else Silent(),
    )
    if context is None:
        return
    if isinstance(trained, WithAverage):
        trained.hand_over()
    save_views(method, batches, rows_N=rows_N, file=views_file(out))
    epochs = total_steps * order.batch_size / len(rows_N)
    context.recorder.metrics.update({"steps": total_steps, "epochs": epochs, "images": total_steps * images_per_step})
    if watcher is not None:
        context.recorder.metrics["collapsed"] = float(bool(context.recorder.warning))
        context.recorder.metrics.update({name + UNTRAINED: value for name, value in watcher.untrained.items()})


def _watcher(method: Method, *, probe: Probe, work: Work, fabric: Fabric) -> Watcher:
    from medtrimix.methods.heads import projector_of, size_counts
    from medtrimix.training.watch import Watcher

    projector = projector_of(method)
    return Watcher(
        fabric.to_device(method.encoder),
        projector=fabric.to_device(projector) if projector is not None else None,
        probe=probe,
        work=work,
        autocast=fabric.autocast,
        size_counts=size_counts(method),
    )


def _total_steps(config: Config, *, order: StepOrder, images_per_step: float) -> int:
    if config.image_budget is not None:
        return max(1, int(config.image_budget / images_per_step))
    assert config.epochs is not None
    return config.epochs * order.steps_per_epoch


def _check_parts(config: Config, *, images: int) -> None:
    """Every batch that a method sees has at least two images."""
    if min(config.batch_size, images) // config.accumulate < 2:
        raise InputError(
            f"{min(config.batch_size, images)} images can't be cut into {config.accumulate} batches of 2 or more.",
            where="pretrain.accumulate",
        )
