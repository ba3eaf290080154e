"""The alarm of a collapse, asked of trainings that are healthy and of trainings that were broken on purpose.

    MEDTRIMIX_DATA=/path/to/data python benchmarks/collapse.py       writes results/collapse.md; exit code 1 on a miss
    python benchmarks/collapse.py --work FOLDER                      keeps every training there, goes on after a stop

Each training is the step `pretrain` with the watcher that it always has, on PneumoniaMNIST: ResNet-18 of width .125
(for the masked autoencoder a transformer), fp32, default options. Healthy ones run to their end and must never raise
the alarm, not even one that holds no longer at the end. Broken ones must raise it within two epochs; they are stopped
then. They run with two learning rate plans: that of the healthy ones and that of a default training of 200,000 images,
which is still warming up.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from judging import machine_line
from torch import Tensor
from torch.nn.functional import cosine_similarity

from medtrimix.augment.options import AugmentOptions
from medtrimix.config.files import read_json, write_json
from medtrimix.data.store_writer import StoreWriter
from medtrimix.errors import Interrupted
from medtrimix.methods import table
from medtrimix.methods.byol import BYOL
from medtrimix.methods.options import (
    BarlowTwinsOptions,
    BYOLOptions,
    IMixOptions,
    MAEOptions,
    MixedBarlowTwinsOptions,
    MoCoV2Options,
    PretrainingOptions,
    SimCLROptions,
    SimSiamOptions,
    TriMixOptions,
    VICRegOptions,
)
from medtrimix.methods.simclr import SimCLR
from medtrimix.methods.simsiam import SimSiam
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import ingest, pretrain, split
from medtrimix.steps.context import CURVES, Context, Recorder, read_warning
from medtrimix.steps.numerics import Numerics
from medtrimix.training.options import AdamWOptions

RESULT = Path(__file__).resolve().parent / "results" / "collapse.md"
WITHIN = 2
"""Epochs that a broken training has until its alarm."""
_SEED = 17
_WIDTH = 0.125
_FEATURES = {"resnet18": 64, "vit": 128}
"""Length of the embedding at that width."""
_BUDGET = 200_000
_SHOWN = ("projector_rankme", "projector_feature_std", "projector_spread", "rankme", "feature_std")
_COLUMNS = {"sample_id": str, "patient_id": str, "label": str, "pixel_sha256": str}


class NoStopGradient(SimSiam):
    """SimSiam whose embeddings may simply move towards each other."""

    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """Distance with gradient on both sides, and no predictor."""
        return 2 - 2 * cosine_similarity(z_BE.float(), target_BE.float(), dim=1)


class NoNegatives(SimCLR):
    """NT-Xent without its denominator: two views attract each other, nothing repels."""

    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """The numerator alone."""
        return -cosine_similarity(z_BE.float(), target_BE.float(), dim=1) / self.temperature


class NoPredictor(BYOL):
    """BYOL that compares embeddings with the teacher's themselves."""

    def pair_loss(self, z_BE: Tensor, target_BE: Tensor) -> Tensor:
        """Distance from the teacher's embedding, which gets no gradient."""
        return 2 - 2 * cosine_similarity(z_BE.float(), target_BE.float().detach(), dim=1)


HEALTHY: dict[str, PretrainingOptions] = {
    "trimix": TriMixOptions(),
    "trimix, base barlow_twins": TriMixOptions.model_validate({"base": "barlow_twins"}),
    "simclr": SimCLROptions(),
    "barlow_twins": BarlowTwinsOptions(),
    "vicreg": VICRegOptions(),
    "simsiam": SimSiamOptions(),
    "byol": BYOLOptions(),
    "moco_v2": MoCoV2Options(),
    "mixed_barlow_twins": MixedBarlowTwinsOptions(),
    "i_mix": IMixOptions(),
    "mae": MAEOptions(),
}
BROKEN: dict[str, tuple[PretrainingOptions, type[Any] | None]] = {
    "vicreg without variance and covariance": (VICRegOptions(variance_weight=0.0, covariance_weight=0.0), None),
    "simsiam without stop-gradient and predictor": (SimSiamOptions(), NoStopGradient),
    "NT-Xent without negatives": (SimCLROptions(), NoNegatives),
    "byol with momentum 0 and no predictor": (BYOLOptions(momentum=0.0), NoPredictor),
}


@dataclass(frozen=True)
class Case:
    """One training.

    Attributes:
        method: a name of `HEALTHY` or `BROKEN`.
        batch: images of a step.
        epochs: that the learning rate is planned for.
    """

    method: str
    batch: int
    epochs: int

    @property
    def broken(self) -> bool:
        """Whether its loss is."""
        return self.method in BROKEN


@dataclass(frozen=True)
class Outcome:
    """What was seen.

    Attributes:
        alarm: "epoch N: ..." as a user reads it, even if it held no longer at the end; "" without one.
        first, second: values at the ends of these epochs, by name; standard deviations times sqrt(E).
        lowest: of all moments that were looked at.
        recovered: whether the alarm held no longer at the end.
    """

    alarm: str
    first: Mapping[str, float]
    second: Mapping[str, float]
    lowest: Mapping[str, float]
    recovered: bool = False

    @property
    def alarm_epoch(self) -> float:
        """When it was raised, in epochs; infinite without one."""
        return float(self.alarm.removeprefix("epoch ").split(":")[0]) if self.alarm else math.inf


def failed(case: Case, outcome: Outcome) -> bool:
    """Whether the alarm did not do what it is for."""
    return outcome.alarm_epoch > WITHIN if case.broken else bool(outcome.alarm)


def make_inputs(folder: Path, *, file: Path) -> pretrain.Inputs:
    """A store of the published train and val images with their labels, and the published split."""
    inputs = pretrain.Inputs(ingest=folder / "ingest", split=folder / "split")
    sides = []
    with (
        np.load(file) as arrays,
        StoreWriter(
            ingest.store_folder(inputs.ingest), image_shape=(1, 28, 28), dtype="uint8", columns=_COLUMNS
        ) as writer,
    ):
        for side in ("train", "val"):
            for image, label in zip(arrays[f"{side}_images"], arrays[f"{side}_labels"], strict=True):
                name = f"s{len(sides)}"
                row = {"sample_id": name, "patient_id": name, "label": str(int(label[0])), "pixel_sha256": name}
                writer.add([image[None]], rows=[row], note=None)
                sides.append(side)
    inputs.split.mkdir(parents=True, exist_ok=True)
    names = [f"s{number}" for number in range(len(sides))]
    pd.DataFrame({"sample_id": names, "patient_id": names, "split": sides}).to_csv(
        split.split_file(inputs.split), index=False
    )
    return inputs


def run(case: Case, *, inputs: pretrain.Inputs, out: Path) -> Outcome:
    """Trains; a broken one for two epochs of its plan."""
    options, replacement = BROKEN[case.method] if case.broken else (HEALTHY[case.method], None)
    out.mkdir(parents=True)
    recorder, done = Recorder(out), iter(range(1, 1 << 30))
    steps = WITHIN * (len(split.rows_of_side(inputs.split, "train")) // case.batch)
    context = Context(
        recorder=recorder,
        should_stop=lambda: next(done) == steps and case.broken,
        workers=1,
        checkpoint_every_s=1e9,
    )
    with _replaced(type(options), replacement), suppress(Interrupted):
        pretrain.run(_config(case, options), inputs=inputs, out=out, context=context)
    recorder.flush()
    return read(recorder, steps_per_epoch=steps // WITHIN, embedding=_embedding(options))


def _config(case: Case, options: PretrainingOptions) -> pretrain.Config:
    return pretrain.Config(
        method=options,
        encoder=EncoderOptions(name="vit" if isinstance(options, MAEOptions) else "resnet18", width=_WIDTH),
        augment=AugmentOptions(preset="radiograph"),
        batch_size=case.batch,
        image_budget=None,
        epochs=case.epochs,
        optimizer=AdamWOptions(),
        numerics=Numerics(device="cpu", precision="fp32"),
        seed=_SEED,
    )


def _embedding(options: PretrainingOptions) -> int:
    """Length of the projector's output, 0 without one."""
    if isinstance(options, MAEOptions):
        return 0
    return options.base.projector.dim if isinstance(options, TriMixOptions) else options.projector.dim


@contextmanager
def _replaced(options: type[Any], method: type[Any] | None) -> Iterator[None]:
    """Within the block these options build the broken method."""
    was = table.METHODS[options]
    table.METHODS[options] = method or was
    try:
        yield
    finally:
        table.METHODS[options] = was


def read(recorder: Recorder, *, steps_per_epoch: int, embedding: int) -> Outcome:
    """The curves of a training that has ended."""
    points = [json.loads(line) for line in (recorder.folder / CURVES).read_text().splitlines()]
    unit = {
        "projector_feature_std": math.sqrt(embedding),
        "feature_std": math.sqrt(_FEATURES["resnet18" if embedding else "vit"]),
    }
    looks = {
        int(point["step"]) + 1: {name: point[name] * unit.get(name, 1.0) for name in _SHOWN if name in point}
        for point in points
        if "rankme" in point
    }
    lowest = {name: min(look[name] for look in looks.values()) for name in looks[steps_per_epoch]}
    passed = read_warning(recorder.folder, passed=True)
    return Outcome(
        alarm=recorder.warning or passed,
        first=looks[steps_per_epoch],
        second=looks[2 * steps_per_epoch],
        lowest=lowest,
        recovered=bool(passed),
    )


def cases(*, epochs: int, images: int) -> list[Case]:
    """Broken ones first, with the learning rates of a short and of a default training; then healthy ones."""
    default = math.ceil(_BUDGET / 2 / images)
    broken = [Case(name, batch, planned) for planned in (8, default) for batch in (256, 128) for name in BROKEN]
    return broken + [Case(name, 256, length) for length in (3, epochs) for name in HEALTHY]


def _row(case: Case, outcome: Outcome) -> str:
    def values(name: str) -> str:
        if name not in outcome.first:
            return ""
        return " / ".join(f"{part[name]:.3g}" for part in (outcome.first, outcome.second, outcome.lowest))

    state, good = ("broken", "MISSED") if case.broken else ("healthy", "none")
    alarm = f"epoch {outcome.alarm_epoch:.3g}{', recovered' * outcome.recovered}" if outcome.alarm else good
    cells = (case.method, state, str(case.batch), str(case.epochs), alarm, *(values(name) for name in _SHOWN))
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| method | loss | batch | planned epochs | alarm | rank, projector | std, projector | size, projector "
    "| rank, features | std, features |\n|---|---|--:|--:|---|---|---|---|---|---|"
)


def page(found: Sequence[tuple[Case, Outcome]], *, planned: int) -> str:
    """What is kept, of the trainings that were run of those planned."""
    broken = [(case, outcome) for case, outcome in found if case.broken]
    healthy = [(case, outcome) for case, outcome in found if not case.broken]
    caught, false = len(broken) - _failures(broken), _failures(healthy)
    recovered = sum(outcome.recovered for _, outcome in healthy)
    lines = [
        "# The alarm of a collapse",
        "",
        f"Written by `python benchmarks/collapse.py` on {date.today().isoformat()}, seed {_SEED}.",
        f"Machine: {machine_line()}.",
        "",
        "PneumoniaMNIST (4,708 images), ResNet-18 of width 0.125, for `mae` a transformer of that width; fp32, AdamW",
        "at 1e-3; the step `pretrain` and its watcher as they are. Broken trainings are stopped after two epochs of",
        "the plan that their learning rate follows.",
        "",
        f"**{caught} of {len(broken)} broken trainings raised the alarm within {WITHIN} epochs; {false} of "
        f"{len(healthy)} healthy ones raised one at any moment, {recovered} of which recovered by the end.** "
        f"{len(found)} of {planned} planned trainings were run.",
        "",
        "Values at the end of epoch 1 / of epoch 2 / lowest at any moment. Standard deviations are multiplied by",
        "sqrt(E), so that directions spread evenly have 1; the size is divided by the untrained network's.",
        "",
        HEAD,
        *(_row(case, outcome) for case, outcome in found),
        "",
        "What the alarm said:",
        "",
        *(f"- {case.method}, batch {case.batch}: {outcome.alarm}" for case, outcome in found if outcome.alarm),
        "",
    ]
    return "\n".join(lines)


def _failures(found: Sequence[tuple[Case, Outcome]]) -> int:
    return sum(failed(case, outcome) for case, outcome in found)


def _file(case: Case, *, work: Path) -> Path:
    return work / f"{case.method.replace(' ', '_')}-{case.batch}-{case.epochs}.json"


def _kept(case: Case, *, inputs: pretrain.Inputs, work: Path) -> Outcome:
    """The outcome of a training that was done before, or is done now."""
    file = _file(case, work=work)
    if not file.is_file():
        with tempfile.TemporaryDirectory(dir=work) as folder:
            outcome = run(case, inputs=inputs, out=Path(folder) / "out")
        write_json(file, asdict(outcome))
    return Outcome(**read_json(file))


def measure(work: Path, *, planned: Sequence[Case], inputs: pretrain.Inputs) -> list[tuple[Case, Outcome]]:
    """These trainings, one after the other."""
    found = []
    print(HEAD, flush=True)
    for case in planned:
        found.append((case, _kept(case, inputs=inputs, work=work)))
        print(_row(*found[-1]), flush=True)
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="of the longer healthy trainings; all run for 3 first")
    parser.add_argument("--work", type=Path, help="folder for finished trainings; a temporary one if not given")
    parser.add_argument("--finished", action="store_true", help="run nothing; the table of what is in --work")
    parser.add_argument("--out", type=Path, default=RESULT, help="file of the table")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = chosen.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        inputs = pretrain.Inputs(ingest=work / "ingest", split=work / "split")
        if not split.split_file(inputs.split).is_file():
            make_inputs(work, file=Path(os.environ["MEDTRIMIX_DATA"]) / "pneumoniamnist.npz")
        planned = cases(epochs=chosen.epochs, images=len(split.rows_of_side(inputs.split, "train")))
        wanted = [case for case in planned if not chosen.finished or _file(case, work=work).is_file()]
        found = measure(work, planned=wanted, inputs=inputs)
    chosen.out.write_text(page(found, planned=len(planned)))
    print(f"{_failures(found)} of {len(found)} trainings did not do what they should")
    sys.exit(1 if _failures(found) else 0)


if __name__ == "__main__":
    main()
