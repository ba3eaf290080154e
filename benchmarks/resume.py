"""Kill -9 in the middle of pretraining: every resumed training should end as the one that nobody disturbed.

    python benchmarks/resume.py                    20 kills, bf16, writes results/resume.md; exit code 1 on a difference
    python benchmarks/resume.py --kills 3 --steps 12 --out FOLDER

A child process runs the step `pretrain` as a worker does, with a checkpoint after every step. It is killed at a moment
drawn from a seed: so many steps done, and a random part of the next one, which is mostly spent on writing the
checkpoint. A second child goes on and ends. Encoder, curves (without the clock), pictures and record are then compared
byte for byte. Children are forked from a process that has imported everything, so that a kill costs no imports.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from medtrimix.augment.options import AugmentOptions
from medtrimix.config.digest import digest_of
from medtrimix.config.files import write_json
from medtrimix.data.store import index_file, marker_file, shard_file
from medtrimix.methods.options import TriMixOptions
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.options import EncoderOptions
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.worker import Job, execute
from medtrimix.steps import ingest, pretrain, split
from medtrimix.steps.context import CURVES, RECORD
from medtrimix.steps.numerics import Numerics
from medtrimix.training.options import AdamWOptions

RESULT = Path(__file__).resolve().parent / "results" / "resume.md"
_BATCH, _TRAIN, _VAL = 16, 64, 32
_SEED = 20
_POLL_S = 0.0005
_HANG_S = 300.0


@dataclass(frozen=True)
class Kill:
    """When a training was killed and what came of it.

    Attributes:
        after_steps: on disk when the time was up.
        part: of a step that was waited longer.
        writing: whether a half-written checkpoint was left.
        restarted_at: steps that the checkpoint had.
        differences: files that differ from the undisturbed training's.
    """

    after_steps: int
    part: float
    writing: bool
    restarted_at: int
    differences: tuple[str, ...]


def make_inputs(folder: Path) -> pretrain.Inputs:
    """A finished store of random pictures with labels, and a split."""
    generator = np.random.default_rng(_SEED)
    store, rows = ingest.store_folder(folder / "ingest"), _TRAIN + _VAL
    store.mkdir(parents=True)
    label_N = generator.integers(2, size=rows)
    image_BCHW = generator.integers(0, 128, (rows, 1, 28, 28)) + 60 * label_N[:, None, None, None]
    np.save(shard_file(store, 0), image_BCHW.astype(np.uint8))
    pd.DataFrame({"label": np.where(label_N, "yes", "no")}).to_parquet(index_file(store))
    facts = {"format": 1, "image_shape": [1, 28, 28], "dtype": "uint8", "shard_rows": rows, "rows": rows}
    write_json(marker_file(store), facts)
    (folder / "split").mkdir()
    sides = ["train"] * _TRAIN + ["val"] * _VAL
    pd.DataFrame({"sample_id": range(rows), "patient_id": range(rows), "split": sides}).to_csv(
        split.split_file(folder / "split"), index=False
    )
    return pretrain.Inputs(ingest=folder / "ingest", split=folder / "split")


def make_job(inputs: pretrain.Inputs, *, steps: int, precision: str) -> Job:
    """TriMix, three passes a step, for so many steps."""
    config = pretrain.Config(
        method=TriMixOptions(),
        encoder=EncoderOptions(name="resnet10", width=0.125),
        augment=AugmentOptions(preset="radiograph"),
        batch_size=_BATCH,
        image_budget=3 * _BATCH * steps,
        epochs=None,
        optimizer=AdamWOptions(),
        numerics=Numerics(device="cpu", precision=precision),  # type: ignore[arg-type]
        seed=_SEED,
    )
    return Job(
        name="pretrain",
        step="pretrain",
        key=digest_of(config.model_dump(mode="json")),
        config_json=config.model_dump_json(),
        inputs={"ingest": inputs.ingest, "split": inputs.split},
        checkpoint_every_s=0.0,
    )


def started(job: Job, *, root: Path) -> int:
    """Process id of a child that runs the job; it ends with 0 when the job is done."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            execute(job, root=root)
            code = 0
        finally:
            os._exit(code)
    return process


def finish(job: Job, *, root: Path) -> None:
    """Runs the job to its end in a child."""
    _, status = os.waitpid(started(job, root=root), 0)
    if status != 0:
        raise SystemExit(f"A training ended with status {status}.")


def kill(job: Job, *, root: Path, after_steps: int, delay_s: float) -> None:
    """Starts the job and kills it, `delay_s` after its curve has `after_steps` points."""
    curve = StepCache(root).folder(job.step, key=job.key) / CURVES
    process = started(job, root=root)
    give_up = time.monotonic() + _HANG_S
    while _lines(curve) < after_steps:
        if time.monotonic() > give_up or os.waitpid(process, os.WNOHANG)[0]:
            raise SystemExit("The training ended or hung before its time.")
        time.sleep(_POLL_S)
    time.sleep(delay_s)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("The training was faster than the signal; give it more --steps.")


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that must not depend on what happened on the way, by name."""
    points = [json.loads(line) for line in (folder / CURVES).read_text().splitlines()]
    clockless = [{name: value for name, value in point.items() if name != "time"} for point in points]
    names = ("encoder.safetensors", "encoder.json", "arm.json", "views.npz", RECORD)
    return {CURVES: json.dumps(clockless).encode(), **{name: (folder / name).read_bytes() for name in names}}


def differences(one: Path, other: Path) -> tuple[str, ...]:
    """Names of the results of two finished trainings that are not the same bytes."""
    first, second = contents(one), contents(other)
    return tuple(name for name in first if first[name] != second[name])


def measure(folder: Path, *, kills: int, steps: int, precision: str) -> list[Kill]:
    """One training undisturbed, and `kills` that are killed once each."""
    job = make_job(make_inputs(folder), steps=steps, precision=precision)
    finish(job, root=folder / "undisturbed")
    whole = StepCache(folder / "undisturbed").folder(job.step, key=job.key)
    times = [json.loads(line)["time"] for line in (whole / CURVES).read_text().splitlines()]
    step_s = (times[-1] - times[0]) / (len(times) - 1)
    generator = np.random.default_rng(_SEED)
    moments = (np.arange(kills) + generator.random(kills)) / kills * (steps - 2)  # one in each part of the training
    found = []
    for number, moment in enumerate(moments):
        root, part = folder / f"killed-{number}", float(moment % 1)
        kill(job, root=root, after_steps=int(moment), delay_s=part * step_s)
        left = StepCache(root).folder(job.step, key=job.key)
        checkpoint = left / pretrain.CHECKPOINT
        at = torch.load(checkpoint, weights_only=True)["step"] if checkpoint.is_file() else 0
        writing = any(path.name.startswith(f".{pretrain.CHECKPOINT}") for path in left.glob(".*.tmp"))
        finish(job, root=root)
        found.append(Kill(int(moment), part, writing, at, differences(whole, left)))
        print(_row(number, found[-1]), flush=True)
    return found


def _row(number: int, found: Kill) -> str:
    result = "differs: " + ", ".join(found.differences) if found.differences else "identical"
    writing = "yes" if found.writing else ""
    return f"| {number + 1} | {found.after_steps} + {found.part:.2f} | {writing} | {found.restarted_at} | {result} |"


def table(found: Sequence[Kill], *, steps: int, precision: str) -> str:
    """The page that is kept."""
    same = sum(not one.differences for one in found)
    writing = sum(one.writing for one in found)
    rows = [_row(number, one) for number, one in enumerate(found)]
    return "\n".join(
        [
            "# Killed and resumed",
            "",
            f"`python benchmarks/resume.py`: TriMix, ResNet-10, 28 x 28 pixels, {precision}, {steps} steps, a",
            "checkpoint after each; killed with SIGKILL once, then run again to its end. Compared with the undisturbed",
            "training byte for byte: encoder, every point of every curve (losses, RankMe, neighbours' AUC; not the",
            "clock), pictures and record.",
            "",
            f"**{same} of {len(found)} identical.** {writing} of the kills hit the writing of a checkpoint.",
            "",
            "| kill | after steps | writing a checkpoint | went on from step | result |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--out", type=Path, default=RESULT, help="file of the table")
    chosen = parser.parse_args()
    torch.set_num_threads(1)  # before the first fork: threads don't cross it
    build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(28, 28))  # imports MONAI
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), kills=chosen.kills, steps=chosen.steps, precision=chosen.precision)
    chosen.out.write_text(table(found, steps=chosen.steps, precision=chosen.precision))
    same = sum(not one.differences for one in found)
    print(f"{same} of {len(found)} identical, {sum(one.writing for one in found)} killed while writing a checkpoint")
    sys.exit(0 if same == len(found) else 1)


if __name__ == "__main__":
    main()
