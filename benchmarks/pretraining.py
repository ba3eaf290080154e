"""A pretraining as a pipeline runs it, on a made store: its speed step by step, and the memory of a fresh process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from medtrimix.augment.options import AugmentOptions, Normalisation
from medtrimix.augment.views import Augmenter
from medtrimix.config.files import write_json
from medtrimix.data.store import ArrayStore, index_file, marker_file, shard_file
from medtrimix.methods.method import Method, ViewBatch
from medtrimix.methods.options import PretrainingOptions, SimCLROptions, TriMixOptions
from medtrimix.methods.table import build_method
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.memory import channels_last, weights_channels_last
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import ingest, pretrain, split
from medtrimix.steps.context import Context, Recorder
from medtrimix.steps.numerics import Numerics
from medtrimix.training import checkpoint
from medtrimix.training.health import WatchOptions
from medtrimix.training.options import AdamWOptions

METHODS: dict[str, PretrainingOptions] = {"simclr": SimCLROptions(), "trimix": TriMixOptions()}
ENCODER = EncoderOptions(name="resnet18", width=0.25)
_WARM = 2
"""First steps, which aren't counted."""
_POLL_S = 0.002


@dataclass(frozen=True)
class Shape:
    """What is trained on.

    Attributes:
        image: (1, H, W) or (1, D, H, W).
        preset: of augmentation.
        batch: rows of a step.
    """

    image: tuple[int, ...]
    preset: str
    batch: int


@dataclass(frozen=True)
class Training:
    """How: a name of `METHODS`, the precision, and how many steps are timed."""

    method: str
    precision: Literal["fp32", "bf16"]
    steps: int


def make_inputs(folder: Path, *, image: tuple[int, ...], rows: int) -> pretrain.Inputs:
    """A finished store of random pictures, all of them to train on; written in pieces, so a million rows fit."""
    rng = np.random.default_rng(0)
    store = ingest.store_folder(folder / "ingest")
    store.mkdir(parents=True)
    pixels = np.lib.format.open_memmap(shard_file(store, 0), mode="w+", dtype=np.uint8, shape=(rows, *image))
    piece = rng.integers(0, 256, (min(rows, 4096), *image), dtype=np.uint8)
    for start in range(0, rows, len(piece)):
        pixels[start : start + len(piece)] = piece[: rows - start]
    pixels.flush()
    del pixels
    index_file(store).touch()  # pretraining reads no column
    write_json(
        marker_file(store),
        {"format": 1, "image_shape": image, "dtype": "uint8", "shard_rows": rows, "rows": rows},
    )
    (folder / "split").mkdir()
    with split.split_file(folder / "split").open("w") as file:
        file.write("sample_id,patient_id,split\n")
        file.writelines(f"{number:032x},{number:032x},train\n" for number in range(rows))
    return pretrain.Inputs(ingest=folder / "ingest", split=folder / "split")


@dataclass(frozen=True)
class Times:
    """Seconds of each step by the clock and of the processor, without the first steps."""

    wall: list[float]
    cpu: list[float]


class Turns:
    """Times a training step by step; after each of its steps comes one of another kind, timed as well.

    So both are measured at the same moments, which is what a ratio needs on a machine that isn't idle.
    """

    def __init__(self, other: Callable[[int], None]) -> None:
        self._other = other
        self._marks: list[tuple[float, float]] = []

    def should_stop(self) -> bool:
        """Never; the loop asks when a step has ended."""
        self._marks.append(_now())
        self._other(len(self._marks) // 2)
        self._marks.append(_now())
        return False

    def real(self) -> Times:
        """Of the training itself."""
        return self._between(2 * _WARM - 1)

    def other(self) -> Times:
        """Of the other kind."""
        return self._between(2 * _WARM)

    def _between(self, first: int) -> Times:
        begins, ends = self._marks[first:-1:2], self._marks[first + 1 :: 2]
        wall, cpu = ([end[i] - begin[i] for begin, end in zip(begins, ends, strict=False)] for i in (0, 1))
        return Times(wall, cpu)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def pretraining(
    inputs: pretrain.Inputs, *, shape: Shape, training: Training, out: Path, should_stop: Callable[[], bool]
) -> None:
    """The step `pretrain` from its beginning to its end: store, order, augmentation, method, optimiser, curves."""
    options = METHODS[training.method]
    passes = _built(options, shape=shape).passes_per_step
    config = pretrain.Config(
        method=options,
        encoder=ENCODER,
        augment=AugmentOptions(preset=shape.preset),  # type: ignore[arg-type]
        batch_size=shape.batch,
        image_budget=round(passes * shape.batch * (_WARM + training.steps)),
        epochs=None,
        optimizer=AdamWOptions(),
        numerics=Numerics(device="cpu", precision=training.precision),
        seed=1,
        watch=WatchOptions(knn=False),  # the made store has no labels
    )
    out.mkdir(parents=True)
    # Every 20 s of training: half of the time goes to the other steps.
    context = Context(recorder=Recorder(out), should_stop=should_stop, workers=1, checkpoint_every_s=40.0)
    pretrain.run(config, inputs=inputs, out=out, context=context)
    shutil.rmtree(out)


def constant_step(inputs: pretrain.Inputs, *, shape: Shape, training: Training) -> Callable[[int], None]:
    """Forward, backward and optimiser step on the same two views in memory, and nothing else."""
    torch.manual_seed(1)
    module = _built(METHODS[training.method], shape=shape)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=1e-4)
    rows_B = np.arange(shape.batch)
    image_BCHW = channels_last(torch.from_numpy(ArrayStore.open(ingest.store_folder(inputs.ingest)).images(rows_B)))
    normalisation = Normalisation(mean=(0.5,), std=(0.29,))
    augmenter = Augmenter(AugmentOptions(preset=shape.preset), normalisation, seed=1)  # type: ignore[arg-type]
    view1_BCHW, view2_BCHW = (augmenter.view(image_BCHW, epoch=0, rows_B=rows_B, view=view) for view in (1, 2))

    def run(step: int) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=training.precision == "bf16"):
            loss = module(ViewBatch(view1_BCHW, view2_BCHW, progress=0.5, seed=1, step=step))
        optimizer.zero_grad(set_to_none=True)
        loss.total.backward()
        optimizer.step()

    return run


def checkpoint_seconds(folder: Path) -> float:
    """Of writing one checkpoint of the largest method."""
    module = _built(METHODS["trimix"], shape=Shape((1, 64, 64), "radiograph", 8))
    optimizer = torch.optim.AdamW(module.parameters())
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    begin = time.perf_counter()
    checkpoint.save(folder / "checkpoint.pt", step=1, module=module, optimizer=optimizer)
    return time.perf_counter() - begin


def _built(options: PretrainingOptions, *, shape: Shape) -> Method:
    channels, *size = shape.image
    encoder = build_encoder(ENCODER, channels=channels, image_size=tuple(size))
    return weights_channels_last(build_method(options, encoder=encoder))


def peak_memory(folder: Path, *, shape: Shape, rows: int, steps: int) -> dict[str, float]:
    """Megabytes at most of a fresh process that makes `steps` steps over `rows` rows.

    `anonymous` is the memory that the process has asked for. `resident` also counts pages of the store's files that it
    has read; they belong to the system's cache, which takes them back when memory is short.
    """
    make_inputs(folder, image=shape.image, rows=rows)
    command = [sys.executable, __file__, folder, json.dumps(asdict(shape)), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peaks: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(folder)
    return peaks


def _status(name: str) -> float:
    """Megabytes of this process under that name."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """In the fresh process."""
    folder, shape, steps = Path(sys.argv[1]), Shape(**json.loads(sys.argv[2])), int(sys.argv[3])
    torch.set_num_threads(1)
    inputs = pretrain.Inputs(ingest=folder / "ingest", split=folder / "split")
    anonymous, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_S):
            anonymous.append(_status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    training = Training("simclr", "fp32", steps)
    pretraining(inputs, shape=shape, training=training, out=folder / "out", should_stop=lambda: False)
    done.set()
    watcher.join()
    print(json.dumps({"anonymous": max(anonymous), "resident": _status("VmHWM")}))


if __name__ == "__main__":
    main()
