"""Pretraining of one arm's encoder, without labels, on the training side of the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.config import model
from medtrimix.config.files import replacing, write_json
from medtrimix.errors import CollapseError
from medtrimix.methods.options import ArmOptions, NoneOptions, PretrainingOptions
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import ingest, split
from medtrimix.steps.context import Context
from medtrimix.steps.numerics import Numerics
from medtrimix.steps.probe import make_probe
from medtrimix.training.health import UNTRAINED, WatchOptions, Work, collapse

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from medtrimix.augment.views import Augmenter
    from medtrimix.data.store import ArrayStore
    from medtrimix.methods.method import Method, ViewBatch
    from medtrimix.nets.encoder import Encoder
    from medtrimix.training.order import StepOrder
    from medtrimix.training.watch import Watcher

CHECKPOINT = "checkpoint.pt"
OnCollapse = Literal["warn", "fail"]
_SHEET_IMAGES = 6
_CURE = (
    "Look at the weights of the loss, the learning rate and the batch size (docs/monitoring.md); "
    "pretrain.on_collapse: warn goes on."
)


class OptimizerOptions(model.Config):
    """AdamW with linear warm-up and cosine decay.

    Attributes:
        learning_rate: at the peak.
        weight_decay: decoupled, on every parameter.
        warmup: fraction of the steps.
    """

    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)


class Config(model.Config):
    """One arm.

    Attributes:
        image_budget: images through the encoder, so that methods with two and with three passes do the same work.
        epochs: passes over the images instead; one of the two is None.
        seed: of the first weights, the order of images, their augmentation and their mixing.
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
    numerics: Numerics
    seed: int
    watch: WatchOptions = WatchOptions()
    on_collapse: OnCollapse = "warn"


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
    import torch

    from medtrimix.augment.measure import measure_normalisation
    from medtrimix.data.store import ArrayStore
    from medtrimix.nets.encoder import build_encoder
    from medtrimix.nets.weights import save_encoder

    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    channels, *image_size = store.image_shape
    torch.manual_seed(config.seed)
    encoder = build_encoder(config.encoder, channels=channels, image_size=tuple(image_size))
    rows_N = split.rows_of_side(inputs.split, "train")
    arm = Arm(pretrained=config.method.method != "none", normalisation=measure_normalisation(store.images, rows=rows_N))
    if not isinstance(config.method, NoneOptions):
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
    context: Context,
) -> None:
    import torch

    from medtrimix.augment.views import Augmenter
    from medtrimix.methods.heads import projector_of, size_counts
    from medtrimix.methods.table import build_method
    from medtrimix.nets.memory import weights_channels_last
    from medtrimix.training.loop import LoopOptions, make_fabric, train
    from medtrimix.training.order import StepOrder
    from medtrimix.training.watch import Watcher

    method = weights_channels_last(build_method(options, encoder=encoder))
    batch_size = min(config.batch_size, len(rows_N))
    images_per_step = batch_size * method.passes_per_step
    order = StepOrder(rows_N, batch_size=batch_size, seed=config.seed)
    if config.image_budget is not None:
        total_steps = max(1, int(config.image_budget / images_per_step))
    else:
        assert config.epochs is not None
        total_steps = config.epochs * order.steps_per_epoch
    fabric = make_fabric(device=config.numerics.device, precision=config.numerics.precision)
    augmenter = Augmenter(config.augment, normalisation=normalisation, seed=config.seed)
    batches = _Batches(store, order=order, augmenter=augmenter, total_steps=total_steps, device=fabric.device)
    probe = make_probe(
        store,
        options=config.watch,
        split_folder=split_folder,
        rows_N=rows_N,
        augmenter=augmenter,
        device=fabric.device,
    )
    watcher = None
    if probe is not None:
        watcher = Watcher(
            fabric.to_device(method.encoder),
            projector=fabric.to_device(projector) if (projector := projector_of(method)) is not None else None,
            probe=probe,
            work=Work(total_steps, order.steps_per_epoch, images_per_step),
            autocast=fabric.autocast,
            size_counts=size_counts(method),
        )
    monitor = _Monitor(context, order=order, images_per_step=images_per_step, watcher=watcher, config=config)
    rates = config.optimizer
    train(
        method,
        optimizer=torch.optim.AdamW(method.parameters(), lr=rates.learning_rate, weight_decay=rates.weight_decay),
        batch_at=batches.at,
        fabric=fabric,
        options=LoopOptions(
            total_steps=total_steps,
            warmup_steps=round(rates.warmup * total_steps),
            checkpoint=out / CHECKPOINT,
            checkpoint_every_s=context.checkpoint_every_s,
        ),
        monitor=monitor,
    )
    _save_views(method, batches, rows_N=rows_N, out=out)
    epochs = total_steps / order.steps_per_epoch
    context.recorder.metrics.update({"steps": total_steps, "epochs": epochs, "images": total_steps * images_per_step})
    if watcher is not None:
        context.recorder.metrics["collapsed"] = float(bool(context.recorder.warning))
        context.recorder.metrics.update({name + UNTRAINED: value for name, value in watcher.untrained.items()})


class _Batches:
    """Two augmented views of the images of a step, a pure function of the step."""

    def __init__(
        self, store: ArrayStore, *, order: StepOrder, augmenter: Augmenter, total_steps: int, device: torch.device
    ) -> None:
        self._store, self._order, self._augmenter = store, order, augmenter
        self._total_steps, self._device = total_steps, device

    def at(self, step: int) -> ViewBatch:
        """The batch of a step."""
        return self.views(self.images(self._order.rows(step)), step=step, rows_B=self._order.rows(step))

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
        progress = step / self._total_steps
        return ViewBatch(view1_BCHW, view2_BCHW, progress=progress, seed=self._augmenter.seed, step=step)


class _Monitor:
    """Passes the loop's news on to the recorder, and what the watcher sees; raises the alarm."""

    def __init__(
        self, context: Context, *, order: StepOrder, images_per_step: float, watcher: Watcher | None, config: Config
    ) -> None:
        self._recorder = context.recorder
        self._order, self._images_per_step = order, images_per_step
        self._watcher, self._config = watcher, config
        self.flush = context.recorder.flush
        self.rewind = context.recorder.rewind
        self.should_stop = context.should_stop

    def step(self, step: int, *, total_steps: int, terms: Mapping[str, float]) -> None:
        images = self._images_per_step
        seen = {} if self._watcher is None else self._watcher.after(step)
        self._recorder.curve(step, values={**terms, **seen, "images": round((step + 1) * images)})
        self._recorder.progress(round((step + 1) * images), round(total_steps * images), unit="images")
        if self._watcher is not None and seen and (what := collapse(seen, limits=self._watcher.limits)):
            self._alarm(f"epoch {(step + 1) / self._order.steps_per_epoch:.3g}: {what}")

    def _alarm(self, message: str) -> None:
        """The first one is kept; later moments say the same."""
        self._recorder.warn(message)
        if self._config.on_collapse == "fail":
            self._recorder.flush()
            raise CollapseError(f"The representation collapsed. {message[0].upper()}{message[1:]}.", fix=_CURE)


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
