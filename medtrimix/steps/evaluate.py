"""Metrics of one cell's predictions on test, with intervals over patients."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config import model
from medtrimix.config.files import read_json, replacing, write_json
from medtrimix.steps import learn
from medtrimix.steps.context import Context

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from medtrimix.metrics.bootstrap import Estimate


class Config(model.Config):
    """Bootstrap: number of draws, and their seed, which all cells of a study share so that they are paired."""

    draws: int
    seed: int


@dataclass(frozen=True)
class Inputs:
    """Folder of `learn`."""

    learn: Path


def load_metrics(folder: Path) -> dict[str, Estimate]:
    """The estimates by the name of their metric."""
    from medtrimix.metrics.bootstrap import Estimate

    return {name: Estimate(**facts) for name, facts in read_json(folder / "metrics.json").items()}


def load_draws(folder: Path) -> dict[str, npt.NDArray[np.float64]]:
    """By metric: its value on every bootstrap draw, `(R,)`; draw r is the same patients in every cell."""
    import numpy as np

    with np.load(folder / "draws.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Computes every metric on test once, and on every draw."""
    import numpy as np

    from medtrimix.metrics.bootstrap import bootstrap_metrics, estimate

    test = learn.load_predictions(inputs.learn, side="test")
    draws = bootstrap_metrics(test.probability_NK, test.target_N, test.patient_N, draws=config.draws, seed=config.seed)
    estimates = {
        name: estimate(values.value_R, values.point, n=values.n, n_patients=values.n_patients)
        for name, values in draws.items()
    }
    with replacing(out / "draws.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: values.value_R for name, values in draws.items()})  # type: ignore[arg-type]
    write_json(out / "metrics.json", {name: asdict(values) for name, values in estimates.items()})
    for name, values in estimates.items():
        context.recorder.metrics.update({name: values.value, f"{name}_low": values.low, f"{name}_high": values.high})
    context.recorder.metrics.update({"n": estimates["auc"].n, "n_patients": estimates["auc"].n_patients})
