"""A made-up study with the sizes and the kind of results that a real one has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.bootstrap import bootstrap_metrics, estimate
from medtrimix.report.study import (
    AuditCheck,
    CellRow,
    Cohort,
    EmbeddingMap,
    Examples,
    LossCurve,
    Prediction,
    SplitCount,
    Study,
    Timing,
    ViewSheet,
)

ARMS = {"trimix": "trimix", "simclr": "simclr", "barlow_twins": "barlow_twins", "scratch": "none"}
BUDGETS = {"1%": (0.01, 10), "10%": (0.1, 96), "100%": (1.0, 960)}
SEPARATION = {  # distance of the two classes in standard deviations; AUC = Phi(d / sqrt 2)
    "trimix": (1.9, 2.15, 2.35),
    "simclr": (1.8, 2.1, 2.35),
    "barlow_twins": (1.65, 2.05, 2.25),
    "scratch": (0.6, 1.5, 2.3),
}
CONFIG = """\
name: chest-phantom
seed: 7
data:
  source: phantom
  image_size: [64, 64]
pretrain:
  batch_size: 256
  image_budget: 200000
  arms:
    trimix: {method: trimix}
    simclr: {method: simclr}
    barlow_twins: {method: barlow_twins}
    scratch: {method: none}
learn:
  strategies: [linear, finetune]
  label_budgets: [0.01, 0.1, 1.0]
  label_seeds: 3
"""


def make_study(*, draws: int = 400, label_seeds: int = 3, n_test: int = 400) -> Study:
    """Four arms x two strategies x three budgets on one test set in which patients have one or two images."""
    generator = np.random.default_rng(0)
    patient_N = np.array([f"p{index:05d}" for index in np.sort(generator.integers(0, int(n_test * 0.7), n_test))])
    target_N = generator.integers(0, 2, n_test)
    hardness_N = generator.normal(size=n_test)
    cells, predictions = [], []
    for arm, method in ARMS.items():
        for strategy in ("linear", "finetune"):
            for place, (budget, (fraction, n_labels)) in enumerate(BUDGETS.items()):
                for label_seed in range(label_seeds):
                    distance = SEPARATION[arm][place] - 0.1 * (strategy == "finetune") + 0.1 * generator.normal()
                    noise_N = 0.8 * hardness_N + 0.6 * generator.normal(size=n_test)
                    score_N = 1 / (1 + np.exp(-(distance * (target_N - 0.5) + noise_N)))
                    probability_NK = np.stack([1 - score_N, score_N], axis=1)
                    found = bootstrap_metrics(probability_NK, target_N, patient_N, draws=draws, seed=0)
                    patients = len(np.unique(patient_N))
                    cells.append(
                        CellRow(
                            arm=arm,
                            method=method,
                            strategy=strategy,
                            budget=budget,
                            fraction=fraction,
                            pretrain_seed=0,
                            label_seed=label_seed,
                            n_labels=n_labels,
                            n_labelled_patients=n_labels - n_labels // 10 - label_seed % 2,
                            n_test=n_test,
                            n_patients=patients,
                            metrics={
                                name: estimate(value.value_R, value.point, n=value.n, n_patients=value.n_patients)
                                for name, value in found.items()
                            },
                            draws={name: value.value_R for name, value in found.items()},
                        )
                    )
                    predictions.append(
                        Prediction(arm, strategy, budget, label_seed, probability_NK, target_N, patient_N)
                    )
    counts = {"train": (960, 384), "val": (240, 96), "test": (n_test, len(np.unique(patient_N)))}
    return Study(
        name="chest-phantom",
        description="Made-up numbers; see <the warning>.",
        finished="2026-01-05 14:03 UTC",
        digest="5f2c" * 16,
        learners={"linear": "linear", "finetune": "finetune"},
        classes=("normal", "opacity"),
        cohort=Cohort(
            source="phantom",
            verdicts={"accepted": 1600, "truncated": 3, "not_an_image": 2, "duplicate": 1},
            encodings={"explicit_le": 820, "jpeg2000": 300, "jpegls": 240, "rle": 120, "implicit_le": 120},
            splits=tuple(
                SplitCount(split, images, patients, {"normal": images // 2, "opacity": images - images // 2})
                for split, (images, patients) in counts.items()
            ),
            image="64 x 64, grey",
            series=1590,
            patients=686,
        ),
        audit=(
            AuditCheck("patients on two sides of the split", 0),
            AuditCheck("identical pictures on two sides of the split", 2, "2 training copies were left out"),
            AuditCheck("pictures of validation or test seen by pretraining", 0),
        ),
        cells=tuple(cells),
        predictions=tuple(predictions),
        loss_curves=tuple(_loss(arm, generator) for arm in ARMS if ARMS[arm] != "none"),
        view_sheets=tuple(_views(arm, generator) for arm in ARMS if ARMS[arm] != "none"),
        config_yaml=CONFIG,
        environment={
            "medtrimix": "0.1.0",
            "python": "3.11",
            "torch": "2.13.0",
            "device": "cpu",
            "precision": "bf16",
            "threads": "2",
            "seed": "7",
        },
        timings=(
            Timing("ingest", 14.2, cached=True),
            Timing("pretrain trimix", 181.0, cached=False),
            Timing("pretrain simclr", 176.4, cached=False),
            Timing("learn (72 cells)", 240.7, cached=False),
        ),
        embeddings=tuple(_map(arm, generator) for arm in ARMS),
        examples=tuple(_examples(kind, generator) for kind in ("right", "wrong", "uncertain")),
    )


def _map(arm: str, generator: np.random.Generator) -> EmbeddingMap:
    target_N = generator.integers(0, 2, 120)
    place_N2 = generator.normal(size=(120, 2)) + SEPARATION[arm][0] * target_N[:, None]
    return EmbeddingMap(arm, place_N2, target_N, ("normal", "opacity"))


def _examples(kind: str, generator: np.random.Generator) -> Examples:
    target_B = np.arange(8) % 2
    called_B = 1 - target_B if kind == "wrong" else target_B
    probability_B = np.full(8, 0.51 if kind == "uncertain" else 0.97)
    probability_BK = np.where(np.arange(2) == called_B[:, None], probability_B[:, None], 1 - probability_B[:, None])
    evidence_BYX = generator.normal(size=(8, 8, 8)).cumsum(axis=1).cumsum(axis=2) / 8
    return Examples(kind, _views("simclr", generator).original_BCHW, probability_BK, target_B, called_B, evidence_BYX)


def _loss(arm: str, generator: np.random.Generator) -> LossCurve:
    images_seen_S = np.arange(1, 301) * 670
    decay_S = np.exp(-np.arange(300) / 60)

    def term(start: float, end: float) -> npt.NDArray[np.float64]:
        return end + (start - end) * decay_S + 0.05 * (start - end) * generator.normal(size=300)

    if arm == "trimix":
        terms = {"base": term(5.0, 2.2), "extraction": term(5.2, 3.1), "consistency": term(0.8, 0.2)}
        return LossCurve(arm, images_seen_S, {"total": sum(terms.values(), np.zeros(300)), **terms})
    return LossCurve(arm, images_seen_S, {"total": term(40.0, 9.0) if arm == "barlow_twins" else term(5.1, 1.7)})


def _views(arm: str, generator: np.random.Generator) -> ViewSheet:
    """Eight thorax-like pictures of 64 x 64 px and altered copies of them."""
    row_HW, column_HW = np.mgrid[0:64, 0:64] / 63 - 0.5

    def ellipse(x: float, y: float, a: float, b: float) -> npt.NDArray[np.float64]:
        return (((column_HW - x) / a) ** 2 + ((row_HW - y) / b) ** 2 < 1).astype(float)

    shift = generator.normal(scale=0.03, size=(8, 2))
    original = np.stack(
        [
            150 * ellipse(x, y, 0.45, 0.5) - 90 * ellipse(x - 0.18, y, 0.14, 0.3) - 90 * ellipse(x + 0.18, y, 0.14, 0.3)
            for x, y in shift
        ]
    )[:, None]
    original += generator.normal(scale=6, size=original.shape) + 40
    view1, view2 = np.roll(original, 3, axis=3) * 1.15, np.roll(original, -4, axis=2) * 0.85
    if arm != "trimix":
        return ViewSheet(arm, _pixels(original), _pixels(view1), _pixels(view2))
    lambda_B = np.full(8, 0.71)
    virtual = 0.71 * view1 + 0.29 * np.roll(view1, 1, axis=0)
    return ViewSheet(arm, _pixels(original), _pixels(view1), _pixels(view2), _pixels(virtual), lambda_B)


def _pixels(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
