"""A study's AUCs on images that choices may be made on, and differences that say how sure they are.

Two sets of images can choose: the validation set, and the `folds`: for each cell the training images of patients that
it has no label of. Pretraining saw those without their labels, the same ones for every arm. Test is for the end.

A mean over pretrainings and label draws has three sources of chance, and its interval covers all three:

- the patients: variance of the AUC's influences, summed by patient. An image's influence is its share in the AUC's
  deviation, DeLong's structural components (DeLong, DeLong and Clarke-Pearson, Biometrics 1988; for clusters
  Obuchowski, Biometrics 1997);
- the pretrainings and the label draws: variance of the means over the other one. What belongs to single pairs of the
  two is counted in both, so the interval is a little too wide rather than too narrow.

Degrees of freedom are Satterthwaite's (Biometrics Bulletin 1946).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from medtrimix.config.files import read_json
from medtrimix.data.store import ArrayStore
from medtrimix.data.subsets import label_subset
from medtrimix.lowlabel.linear import fit_linear
from medtrimix.lowlabel.options import LinearOptions
from medtrimix.metrics.delong import auc_influence
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.plan import Plan, Task, make_plan
from medtrimix.steps import embed, ingest, learn, split
from medtrimix.steps.context import RECORD

Floats = npt.NDArray[np.float64]
Side = Literal["val", "folds", "test"]
Cell = tuple[str, str, str]
"""Arm, strategy, label budget."""


@dataclass(frozen=True)
class Judged:
    """One arm, strategy and budget on one set of images.

    Attributes:
        auc_PL: of pretraining p and label draw l.
        influence_G: of each patient on the mean AUC; sums to zero.
    """

    auc_PL: Floats
    influence_G: Floats

    @property
    def auc(self) -> float:
        """Mean over pretrainings and label draws."""
        return float(self.auc_PL.mean())


@dataclass(frozen=True)
class Gap:
    """A difference of two means, and half of its 95% interval."""

    value: float
    half: float

    @property
    def low(self) -> float:
        """Lower end."""
        return self.value - self.half

    @property
    def high(self) -> float:
        """Upper end."""
        return self.value + self.half


@dataclass(frozen=True)
class Chance:
    """Variance of a mean by one source, and the degrees of freedom that it was estimated with."""

    variance: float
    freedom: float = np.inf


def difference(ours: Judged, theirs: Judged) -> Gap:
    """Ours minus theirs, over the same pretrainings, label draws and patients."""
    gap_PL = ours.auc_PL - theirs.auc_PL
    chances = [_patients(ours, theirs), _spread(gap_PL.mean(axis=1)), _spread(gap_PL.mean(axis=0))]
    return _gap(float(gap_PL.mean()), chances)


def contrast(plus: Sequence[Judged], minus: Sequence[Judged], *, pool: Sequence[Judged]) -> Gap:
    """Mean of some arms minus mean of others; the spread of pretrainings and label draws is that of the whole pool.

    Two pretrainings of one arm say next to nothing about their spread, those of twenty arms together do: a layout of
    arms by seeds without replication, whose residual mean square has (arms - 1)(seeds - 1) degrees of freedom.
    """
    ours, theirs = _mean(plus), _mean(minus)
    pool_APL = np.stack([one.auc_PL for one in pool])
    share = 1 / len(plus) + 1 / len(minus)
    seeds = [_residual(pool_APL.mean(axis=axis), share=share) for axis in (2, 1)]
    return _gap(ours.auc - theirs.auc, [_patients(ours, theirs), *seeds])


def _mean(arms: Sequence[Judged]) -> Judged:
    auc_PL = np.mean([one.auc_PL for one in arms], axis=0)
    return Judged(auc_PL, np.mean([one.influence_G for one in arms], axis=0))


def _patients(ours: Judged, theirs: Judged) -> Chance:
    return Chance(float(np.square(ours.influence_G - theirs.influence_G).sum()))


def _spread(mean_S: Floats) -> Chance:
    """Of the mean over seeds, from one value a seed; a single seed says nothing."""
    if len(mean_S) < 2:
        return Chance(0.0)
    return Chance(float(mean_S.var(ddof=1)) / len(mean_S), len(mean_S) - 1)


def _residual(mean_AS: Floats, *, share: float) -> Chance:
    """Of a difference of means over seeds, from the residuals of all arms and seeds."""
    arms, seeds = mean_AS.shape
    freedom = (arms - 1) * (seeds - 1)
    if not freedom:
        return Chance(0.0)
    residual_AS = mean_AS - mean_AS.mean(axis=0) - mean_AS.mean(axis=1, keepdims=True) + mean_AS.mean()
    return Chance(share * float(np.square(residual_AS).sum()) / freedom / seeds, freedom)


def _gap(value: float, chances: Sequence[Chance]) -> Gap:
    variance = sum(chance.variance for chance in chances)
    if variance == 0:
        return Gap(value, 0.0)
    freedom = variance**2 / max(sum(chance.variance**2 / chance.freedom for chance in chances), 1e-300)
    return Gap(value, float(t.ppf(0.975, freedom)) * variance**0.5)


class FinishedStudy:
    """What a finished study left in its workspace.

    Args:
        path: its pipeline file; `overrides` as it was run with.
    """

    def __init__(self, path: Path, *, workspace: Path, overrides: tuple[str, ...] = ()) -> None:
        study = load_study(path, overrides=overrides)
        self.plan: Plan = make_plan(study, machine=resolve(study.compute), workspace=workspace.resolve())
        self.arms = tuple(study.pretrain.arms)
        self._cache = StepCache(workspace.resolve() / "steps")
        self._store = ArrayStore.open(ingest.store_folder(self._folder(self.plan.of_step("ingest")[0])))
        assert len(self._store.classes) == 2, "the AUC of two classes"
        rows_N = split.rows_of_side(self._folder(self.plan.of_step("split")[0]), "train")
        self._train_N = rows_N[self._store.targets(rows_N) >= 0]
        self._index = self._store.columns("sample_id", "patient_id", "label", "split", "pixel_sha256")

    def judge(self, side: Side) -> dict[Cell, Judged]:
        """Every arm, strategy and budget; on the folds linear probes only."""
        groups: dict[Cell, dict[tuple[int, int], tuple[float, Floats]]] = {}
        for task in self.plan.of_step("learn"):
            labels = task.labels
            if side == "folds" and labels["strategy"] != "linear":
                continue
            if side == "folds" and labels["budget"] == "100%":
                continue  # nothing is left to judge on
            cell = (str(labels["arm"]), str(labels["strategy"]), str(labels["budget"]))
            seeds = (int(labels.get("pretrain_seed", 0)), int(labels["label_seed"]))
            groups.setdefault(cell, {})[seeds] = self._fold(task) if side == "folds" else self._cell(task, side=side)
        return {cell: _judged(values) for cell, values in groups.items()}

    def seconds(self, arm: str) -> float:
        """Wall time of one pretraining of an arm: the mean over its pretrainings."""
        times = [self._cache.seconds("pretrain", key=task.key) for task in self._pretrainings(arm)]
        return sum(times) / len(times)

    def recorded(self, arm: str) -> dict[str, float]:
        """What the first pretraining of an arm recorded; `passes` of an image a step is added."""
        facts: dict[str, float] = read_json(self._folder(self._pretrainings(arm)[0]) / RECORD)["metrics"]
        if "images" in facts:
            batch = min(self.plan.study.pretrain.batch_size, len(self._train_N))
            facts["passes"] = facts["images"] / (facts["steps"] * batch)
        return facts

    def _pretrainings(self, arm: str) -> list[Task]:
        return [task for task in self.plan.of_step("pretrain") if task.labels["arm"] == arm]

    def _folder(self, task: Task) -> Path:
        return self._cache.folder(task.step, key=task.key)

    def _cell(self, task: Task, *, side: Literal["val", "test"]) -> tuple[float, Floats]:
        found = learn.load_predictions(self._folder(task), side=side)
        return _judged_auc(found.probability_NK[:, 1], found.target_N == 1, found.patient_N)

    def _fold(self, task: Task) -> tuple[float, Floats]:
        """The cell's probe again, now on the training images that it has no label of."""
        config = task.config
        assert isinstance(config, learn.Config)
        assert isinstance(config.strategy, LinearOptions)
        feature_NE = embed.load_features(task.inputs["embed"])
        given_N = label_subset(self._index, self._train_N, budget=config.budget, seed=config.label_seed)
        probe = fit_linear(feature_NE[given_N], self._store.targets(given_N), classes=2, options=config.strategy)
        left_N = self._strangers(given_N)
        score_N = probe.predict(feature_NE[left_N])[:, 1]
        patient_N = self._index["patient_id"].to_numpy(dtype=str)
        positive_N = self._store.targets(left_N) == 1
        found = auc_influence(score_N, positive_N)
        everywhere_N = np.zeros(len(self._index))
        everywhere_N[left_N] = _scaled(found.influence_N, positive_N, patient_N[left_N])
        return found.auc, _by_patient(everywhere_N[self._train_N], patient_N[self._train_N])

    def _strangers(self, given_N: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Training images of patients, and with pixels, that a probe has no label of."""
        rows = self._index.iloc[self._train_N]
        known = np.zeros(len(rows), dtype=bool)
        for column in ("patient_id", "pixel_sha256"):
            known |= rows[column].isin(self._index[column].iloc[given_N]).to_numpy()
        return self._train_N[~known]


def _judged_auc(
    score_N: Floats, positive_N: npt.NDArray[np.bool_], patient_N: npt.NDArray[np.str_]
) -> tuple[float, Floats]:
    """The AUC, and each patient's influence: the sum of their squares is DeLong's variance."""
    found = auc_influence(score_N, positive_N)
    return found.auc, _by_patient(_scaled(found.influence_N, positive_N, patient_N), patient_N)


def _scaled(influence_N: Floats, positive_N: npt.NDArray[np.bool_], patient_N: npt.NDArray[np.str_]) -> Floats:
    """Influences times the root of patients / (patients - 1), class by class."""
    positives, negatives = (len(np.unique(patient_N[side_N])) for side_N in (positive_N, ~positive_N))
    factor_N = np.where(positive_N, positives / (positives - 1), negatives / (negatives - 1))
    return np.asarray(influence_N * np.sqrt(factor_N), dtype=np.float64)


def _by_patient(influence_N: Floats, patient_N: npt.NDArray[np.str_]) -> Floats:
    _, code_N = np.unique(patient_N, return_inverse=True)
    total_G: Floats = np.bincount(code_N, weights=influence_N).astype(np.float64)
    return total_G


def _judged(values: Mapping[tuple[int, int], tuple[float, Floats]]) -> Judged:
    pretrainings, draws = (1 + max(seeds[axis] for seeds in values) for axis in (0, 1))
    auc_PL = np.array([[values[p, draw][0] for draw in range(draws)] for p in range(pretrainings)])
    total_G = reduce(np.add, (influence_G for _, influence_G in values.values()))
    return Judged(auc_PL, total_G / len(values))


def machine_line() -> str:
    """Processor, cores and the versions that numbers depend on; no name of the machine."""
    import os
    import platform
    from importlib.metadata import version

    names = (line.split(":")[1].strip() for line in _processor_lines() if line.startswith("model name"))
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "monai", "scikit-learn"))
    model = next(names, platform.machine())
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def _processor_lines() -> Iterator[str]:
    path = Path("/proc/cpuinfo")
    yield from path.read_text().splitlines() if path.is_file() else ()
