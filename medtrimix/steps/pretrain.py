"""Pretraining of one arm's encoder, without labels, on the training side of the split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.config import model
from medtrimix.config.files import replacing, write_json
from medtrimix.errors import InputError
from medtrimix.methods.options import ArmOptions, NoneOptions, PretrainingOptions
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import ingest, split
from medtrimix.steps.context import Context
from medtrimix.steps.numerics import Numerics
from medtrimix.training.options import OptimizerOptions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from medtrimix.augment.views import Augmenter
    from medtrimix.data.store import ArrayStore
    from medtrimix.methods.method import Method, ViewBatch
    from medtrimix.nets.encoder import Encoder
    from medtrimix.training.order import StepOrder

CHECKPOINT = "checkpoint.pt"
_SHEET_IMAGES = 6


class Config(model.Config):
    """One arm.

    Attributes:
        image_budget: images through the encoder, so that methods with two and with three passes do the same work.
        epochs: passes over the images instead; one of the two is None.
        accumulate: parts that the batch of a step is cut into, each a batch of its own to the method.
        ema: share that the average of the encoder keeps at each step; 0: the encoder itself is saved.
        compiled: whether the encoder goes through torch.compile.
        processes: that share the training.
        seed: of the first weights, the order of images, their augmentation and their mixing.
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


@dataclass(frozen=True)
class Inputs:
    """Folders of `ingest` and `split`."""

    ingest: Path
    split: Path


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
    """Trains the encoder, or leaves it at its first weights for the method `none`."""
    from medtrimix.augment.measure import measure_normalisation
    from medtrimix.data.store import ArrayStore
    from medtrimix.nets.weights import save_encoder
    from medtrimix.training.processes import together

    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    rows_N = split.rows_of_side(inputs.split, "train")
    arm = Arm(pretrained=config.method.method != "none", normalisation=measure_normalisation(store.images, rows=rows_N))
    encoder = _first_encoder(config, store=store)
    if not isinstance(config.method, NoneOptions):
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
                out=out,
                context=context,
            )
    save_encoder(encoder, stem=encoder_stem(out))
    write_json(out / "arm.json", arm.model_dump(mode="json"))
    context.recorder.params.update({"method": config.method.method, "encoder": config.encoder.name})


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
    assert not isinstance(config.method, NoneOptions)
    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    _train(
        _first_encoder(config, store=store),
        config.method,
        config=config,
        store=store,
        rows_N=split.rows_of_side(inputs.split, "train"),
        normalisation=Normalisation.model_validate_json(normalisation_json),
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
    out: Path,
    context: Context | None,
) -> None:
    """Trains the encoder in place; without a context some other process does the writing."""
    from medtrimix.augment.views import Augmenter
    from medtrimix.methods.table import build_method
    from medtrimix.nets.memory import weights_channels_last
    from medtrimix.nets.sharing import share_batch_statistics
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
    total = total_steps * config.accumulate
    batches = _Batches(store, order=order, augmenter=augmenter, total=total, device=fabric.device)
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
        monitor=_Monitor(context, images_per_step=images_per_step) if context else _Silent(),
    )
    if context is None:
        return
    if isinstance(trained, WithAverage):
        trained.hand_over()
    _save_views(method, batches, rows_N=rows_N, out=out)
    epochs = total_steps / order.steps_per_epoch
    context.recorder.metrics.update({"steps": total_steps, "epochs": epochs, "images": total_steps * images_per_step})


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


class _Batches:
    """Two augmented views of the images of a batch, a pure function of its number, 0 to `total`.

    Several processes make the views of some images each, and all get all of them.
    """

    def __init__(
        self, store: ArrayStore, *, order: StepOrder, augmenter: Augmenter, total: int, device: torch.device
    ) -> None:
        self._store, self._order, self._augmenter = store, order, augmenter
        self._total, self._device = total, device

    def at(self, number: int) -> ViewBatch:
        """The batch of a number."""
        from medtrimix.nets.sharing import gather, own_rows

        rows_B = self._order.rows(number)
        own_B = rows_B[own_rows(len(rows_B))]
        own = self.views(self.images(own_B), step=number, rows_B=own_B)
        view1_BCHW, view2_BCHW = (gather(view, total=len(rows_B)) for view in (own.view1_BCHW, own.view2_BCHW))
        return own._replace(view1_BCHW=view1_BCHW, view2_BCHW=view2_BCHW)

    def images(self, rows_B: npt.NDArray[np.int64]) -> torch.Tensor:
        """Stored images, uint8, on the device."""
        import torch

        from medtrimix.nets.memory import channels_last

        return channels_last(torch.from_numpy(self._store.images(rows_B)).to(self._device))

    def as_pixels(self, view_BCHW: torch.Tensor) -> npt.NDArray[np.uint8]:
        """A normalised view as a picture, uint8."""
        from medtrimix.augment.views import as_pixels

        return as_pixels(view_BCHW, normalisation=self._augmenter.normalisation)

    def views(self, image_BCHW: torch.Tensor, *, step: int, rows_B: npt.NDArray[np.int64]) -> ViewBatch:
        """Two views of these images."""
        from medtrimix.methods.method import ViewBatch

        view1_BCHW, view2_BCHW = (
            self._augmenter.view(image_BCHW, epoch=self._order.epoch(step), rows_B=rows_B, view=view) for view in (1, 2)
        )
        progress = step / self._total
        return ViewBatch(view1_BCHW, view2_BCHW, progress=progress, seed=self._augmenter.seed, step=step)


class _Monitor:
    """Passes the loop's news on to the recorder."""

    def __init__(self, context: Context, *, images_per_step: float) -> None:
        self._recorder = context.recorder
        self._images_per_step = images_per_step
        self.flush = context.recorder.flush
        self.rewind = context.recorder.rewind
        self.should_stop = context.should_stop

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None:
        images = self._images_per_step
        self._recorder.curve(step, values={**terms, "images": round((step + 1) * images)})
        self._recorder.progress(round((step + 1) * images), round(total_steps * images), unit="images")


class _Silent:
    """The monitor of a process that writes nothing."""

    def rewind(self, step: int) -> None: ...

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None: ...

    def flush(self) -> None: ...

    def should_stop(self) -> bool:
        return False


def _save_views(method: Method, batches: _Batches, *, rows_N: npt.NDArray[np.int64], out: Path) -> None:
    """What the method sees of the first few images, back in grey values."""
    import numpy as np

    rows_B = rows_N[:: max(1, len(rows_N) // _SHEET_IMAGES)][:_SHEET_IMAGES]
    image_BCHW = batches.images(rows_B)
    batch = batches.views(image_BCHW, step=0, rows_B=rows_B)
    shown = {"view1_BCHW": batch.view1_BCHW, "view2_BCHW": batch.view2_BCHW}
    arrays = {"original_BCHW": image_BCHW.cpu().numpy()}
    mixtures = [mixed for step in range(50) if (mixed := method.mixtures(batch._replace(step=step)))]
    if mixtures:
        # Of the first steps, the one whose mixture a person can see best: at .95 it looks like no mixture at all.
        virtual_BCHW, share_B = min(mixtures, key=lambda mixed: abs(float(mixed[1].mean()) - 0.65))
        shown["virtual_BCHW"] = virtual_BCHW
        arrays["lambda_B"] = share_B.cpu().numpy().astype(np.float64)
    arrays |= {name: batches.as_pixels(view) for name, view in shown.items()}
    with replacing(views_file(out)) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: _picture(array) for name, array in arrays.items()})  # type: ignore[arg-type]


def _picture(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Images (B, C, H, W) that can be shown: the middle slice of volumes, the first of channels that are no colours."""
    if array.ndim == 5:
        array = array[:, :, array.shape[2] // 2]
    return array[:, :1] if array.ndim == 4 and array.shape[1] not in (1, 3) else array
