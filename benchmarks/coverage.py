"""How often 95% intervals hold the truth, in simulated studies whose truth is known, and how long the bootstrap takes.

    python benchmarks/coverage.py

A study draws scores of two models for patients with one or more images; images of a patient share half of the variance
where there are several. Both models have normal scores of equal width in the two classes (binormal), correlated .5
within a class. The truth: AUC = Phi(gap / sqrt 2), accuracy at the middle = Phi(gap / 2). Beside medtrimix's own
intervals stand those that it does not use: percentiles of the draws, DeLong's with the normal distribution, and the
same on the logit scale. The last rows break the model on purpose: positives scatter twice, or half, as wide.

`--studies` simulations a row, `--draws` of the bootstrap each. It writes benchmarks/results/coverage.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from judging import machine_line
from scipy.special import ndtr, ndtri

from medtrimix.metrics.bootstrap import Draws, bootstrap_metrics
from medtrimix.metrics.definitions import METRICS, Floats, Ints, Metric, auc
from medtrimix.metrics.delong import auc_influence, delong_test, delong_variance
from medtrimix.metrics.interval import metric_estimate, patients_of_classes
from medtrimix.metrics.paired import Side, paired

PAGE = Path(__file__).parent / "results" / "coverage.md"
LOW, HIGH = 0.93, 0.97
SPEED_ROWS, SPEED_DRAWS, SPEED_LIMIT_S = 10_000, 2_000, 3.0
_Z = 1.959963984540054
_SHARED = 0.5  # of the variance, between images of a patient; and between the models


@dataclass(frozen=True)
class Scenario:
    """One kind of study.

    Attributes:
        patients: how many.
        images: fewest and most per patient.
        positive: share of patients, or of images where `by_image`, that are positive.
        auc: of the first model; the second one's is half as far from 1 in terms of errors, (1 + auc) / 2 at most .99.
        width: standard deviation of positives' scores; of negatives' it is 1.
        by_image: whether a patient can have images of both classes.
    """

    patients: int
    images: tuple[int, int]
    positive: float
    auc: float
    width: float = 1.0
    by_image: bool = False

    @property
    def name(self) -> str:
        """As the table has it."""
        low, high = self.images
        images = "" if high == 1 else f", {low}-{high} images" if low < high else f", {low} images"
        mixed = ", both classes in a patient" if self.by_image else ""
        return f"{self.patients} patients{images}{mixed}, {self.positive:.0%} positive"

    @property
    def other_auc(self) -> float:
        """Of the second model."""
        return min((1 + self.auc) / 2, 0.99)

    def gap(self, auc: float) -> float:
        """Distance of the classes' means."""
        return float(np.hypot(1, self.width) * ndtri(auc))


SCENARIOS = (
    Scenario(100, (1, 1), 0.5, 0.8),
    Scenario(60, (1, 1), 0.5, 0.95),
    Scenario(200, (1, 1), 0.1, 0.98),
    Scenario(200, (1, 1), 0.05, 0.98),
    Scenario(624, (1, 1), 0.625, 0.97),
    Scenario(60, (3, 3), 0.5, 0.8),
    Scenario(150, (1, 5), 0.3, 0.9),
    Scenario(150, (1, 5), 0.1, 0.98),
    Scenario(100, (1, 5), 0.3, 0.9, by_image=True),
)
BROKEN = (
    Scenario(624, (1, 1), 0.625, 0.97, width=2.0),
    Scenario(200, (1, 1), 0.1, 0.98, width=2.0),
    Scenario(624, (1, 1), 0.625, 0.97, width=0.5),
    Scenario(200, (1, 1), 0.1, 0.98, width=0.5),
)


@dataclass(frozen=True)
class Sample:
    """One study: whose image, which class, and both models' scores."""

    patient_N: Ints
    positive_N: npt.NDArray[np.bool_]
    score_N: Floats
    other_N: Floats


def drawn(scenario: Scenario, *, rng: np.random.Generator) -> Sample:
    """A study with as many positive patients as the scenario says; where single images are, by chance."""
    low, high = scenario.images
    count_P = rng.integers(low, high + 1, size=scenario.patients)
    patient_N = np.repeat(np.arange(scenario.patients), count_P)
    positive_N = patient_N < round(scenario.positive * scenario.patients)
    if scenario.by_image:
        positive_N = rng.random(len(patient_N)) < scenario.positive
    within = _SHARED if high > 1 else 0.0

    def noise() -> Floats:
        shared_N = rng.normal(size=scenario.patients)[patient_N]
        return np.sqrt(within) * shared_N + np.sqrt(1 - within) * rng.normal(size=len(patient_N))

    common_N = noise()
    scores = [
        np.where(positive_N, scenario.gap(truth), 0)
        + np.where(positive_N, scenario.width, 1) * (np.sqrt(_SHARED) * common_N + np.sqrt(1 - _SHARED) * noise())
        for truth in (scenario.auc, scenario.other_auc)
    ]
    return Sample(patient_N, positive_N, *scores)


def held(scenario: Scenario, sample: Sample, *, draws: int, seed: int) -> dict[str, bool]:
    """Whether each interval of one study has the truth."""
    gap = scenario.gap(scenario.auc)
    target_N = sample.positive_N.astype(np.int64)
    probability_NK = _two_columns(ndtr(sample.score_N - gap / 2))
    other_NK = _two_columns(ndtr(sample.other_N))

    def other_auc(_: Floats, target_N: Ints, weight_RN: Floats) -> Floats:
        return auc(other_NK, target_N, weight_RN)

    metrics: dict[str, Metric] = {"auc": auc, "other": other_auc, "accuracy": METRICS["accuracy"]}
    found = bootstrap_metrics(probability_NK, target_N, sample.patient_N, draws=draws, seed=seed, metrics=metrics)
    patients_K = patients_of_classes(target_N, sample.patient_N, classes=2)

    def ours(name: str, values: Draws) -> tuple[float, float]:
        one = metric_estimate(
            name, values.value_R, values.point, n=values.n, patients_K=patients_K, n_patients=values.n_patients
        )
        return one.low, one.high

    sides = [Side(found[name].point, found[name].value_R) for name in ("other", "auc")]
    paired_ab = paired("auc", *sides, n=len(target_N), patients_K=patients_K, n_patients=scenario.patients)
    low, high = paired_ab.estimate.low, paired_ab.estimate.high
    test = delong_test(sample.other_N, sample.score_N, sample.positive_N, sample.patient_N)
    half = _Z * test.standard_error
    influence = auc_influence(sample.score_N, sample.positive_N)
    error = delong_variance(influence.influence_N, sample.positive_N, sample.patient_N) ** 0.5
    right = [scenario.positive * ndtr(gap / 2 / scenario.width), (1 - scenario.positive) * ndtr(gap / 2)]
    truth_gap = scenario.other_auc - scenario.auc
    return {
        "AUC": _has(ours("auc", found["auc"]), scenario.auc),
        "accuracy": _has(ours("accuracy", found["accuracy"]), float(sum(right))),
        "A - B": _has((low, high), truth_gap),
        "A - B: DeLong": _has((test.difference - half, test.difference + half), truth_gap),
        "AUC: percentile": _has(tuple(np.nanpercentile(found["auc"].value_R, [2.5, 97.5])), scenario.auc),
        "AUC: DeLong": _has((influence.auc - _Z * error, influence.auc + _Z * error), scenario.auc),
        "AUC: DeLong, logit": _has(_logit_interval(influence.auc, error), scenario.auc),
        "p < .05 agrees": (paired_ab.p_value < 0.05) == (not low <= 0 <= high),
    }


def _two_columns(positive_N: Floats) -> Floats:
    return np.column_stack([1 - positive_N, positive_N])


def _has(interval: tuple[float, ...], truth: float) -> bool:
    return bool(interval[0] <= truth <= interval[1])


def _logit_interval(value: float, error: float) -> tuple[float, float]:
    if value >= 1:
        return 1.0, 1.0
    centre, half = np.log(value / (1 - value)), _Z * error / (value * (1 - value))
    return float(1 / (1 + np.exp(half - centre))), float(1 / (1 + np.exp(-half - centre)))


def coverage(scenario: Scenario, *, studies: int, draws: int, seed: int) -> dict[str, float]:
    """Share of studies whose interval has the truth, by kind of interval."""
    rng = np.random.default_rng([seed, (*SCENARIOS, *BROKEN).index(scenario)])
    found = [held(scenario, drawn(scenario, rng=rng), draws=draws, seed=number) for number in range(studies)]
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def seconds_of_a_large_bootstrap() -> float:
    """Processor time of 2,000 draws over 6,000 patients of the AUC of 10,000 images."""
    rng = np.random.default_rng(0)
    patient_N = rng.integers(6_000, size=SPEED_ROWS).astype(str)
    target_N = rng.integers(2, size=SPEED_ROWS)
    probability_NK = _two_columns(ndtr(rng.normal(target_N)))
    begun = time.process_time()
    bootstrap_metrics(probability_NK, target_N, patient_N, draws=SPEED_DRAWS, seed=0, metrics={"auc": METRICS["auc"]})
    return time.process_time() - begun


OURS = ("AUC", "accuracy", "A - B")
OTHERS = ("AUC: percentile", "AUC: DeLong", "AUC: DeLong, logit", "A - B: DeLong")


def page(found: dict[Scenario, dict[str, float]], *, command: str, minutes: float, speed_s: float, studies: int) -> str:
    """The table as Markdown."""
    sampling = 1.96 * (0.95 * 0.05 / studies) ** 0.5
    binormal = [values for scenario, values in found.items() if scenario in SCENARIOS]
    inside = sum(LOW <= values[name] <= HIGH for values in binormal for name in OURS)
    agree = np.mean([values["p < .05 agrees"] for values in found.values()])
    lines = [
        "# Coverage of 95% intervals",
        "",
        f"`{command}`, {datetime.now(UTC):%d %B %Y}, {machine_line()}; {minutes:.1f} minutes of one core.",
        "",
        f"Share of {studies:,} simulated studies whose interval has the truth; chance alone moves a share of 95% by",
        f"{sampling:.1%}. The bar is {LOW:.0%} to {HIGH:.0%}: **{inside} of {len(binormal) * len(OURS)}** of",
        "medtrimix's own intervals are within it where scores are as its model supposes (binormal, equal widths).",
        "",
        "## medtrimix's intervals",
        "",
        *_table(found, columns=OURS),
        "",
        "`A - B`: the paired difference of two models' AUCs on the same patients. Its p-value and its interval say the",
        f"same about zero in {agree:.1%} of all studies.",
        "",
        "## Other intervals, for comparison",
        "",
        *_table(found, columns=OTHERS),
        "",
        "## Speed",
        "",
        f"{SPEED_DRAWS:,} bootstrap draws over 6,000 patients of the AUC of {SPEED_ROWS:,} images: {speed_s:.2f} s of",
        f"one core (bar: {SPEED_LIMIT_S:g} s).",
        "",
    ]
    return "\n".join(lines)


def _table(found: dict[Scenario, dict[str, float]], *, columns: tuple[str, ...]) -> Iterator[str]:
    yield "| study | true AUC | " + " | ".join(columns) + " |"
    yield "|---|---|" + "---|" * len(columns)
    for scenario, values in found.items():
        shape = "" if scenario.width == 1 else f", positives {scenario.width:g} times as wide"
        cells = [f"{100 * values[name]:.1f}" for name in columns]
        yield f"| {scenario.name}{shape} | {scenario.auc:g} | " + " | ".join(cells) + " |"


def main() -> None:
    """Simulates, prints each row as it is done, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options: tuple[tuple[str, Callable[[str], object], object], ...] = (
        ("--studies", int, 1000),
        ("--draws", int, 500),
        ("--seed", int, 0),
        ("--out", Path, PAGE),
    )
    for name, kind, default in options:
        parser.add_argument(name, type=kind, default=default)
    given = parser.parse_args()
    speed_s = seconds_of_a_large_bootstrap()
    begun = time.process_time()
    found = {}
    for scenario in (*SCENARIOS, *BROKEN):
        found[scenario] = coverage(scenario, studies=given.studies, draws=given.draws, seed=given.seed)
        print(scenario.name, scenario.auc, scenario.width, found[scenario], flush=True)
    command = f"python benchmarks/coverage.py --studies {given.studies} --draws {given.draws} --seed {given.seed}"
    minutes = (time.process_time() - begun) / 60
    given.out.write_text(page(found, command=command, minutes=minutes, speed_s=speed_s, studies=given.studies))


if __name__ == "__main__":
    main()
