"""The step that evaluates a cell, on predictions whose numbers are known from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medtrimix.data.store_writer import StoreWriter
from medtrimix.metrics.calibration import calibrated
from medtrimix.metrics.evaluate import evaluate as plain
from medtrimix.steps import evaluate, ingest, learn
from medtrimix.steps.context import Context, Recorder

COLUMNS = {"sample_id": str, "patient_id": str, "label": str, "device": str}
CLASSES = ("normal", "opacity", "other")


def made(folder: Path, *, n_val: int = 120, classes: int = 2, seed: int = 0) -> evaluate.Inputs:
    """A store of 300 samples by two devices and what a cell says about its val and test; overconfident."""
    rng = np.random.default_rng(seed)
    target_N = rng.integers(classes, size=300)
    logit_NK = 0.8 * rng.normal(size=(300, classes)) + 1.2 * np.eye(classes)[target_N]
    probability_NK = np.exp(3 * logit_NK) / np.exp(3 * logit_NK).sum(axis=1, keepdims=True)
    sample_N, patient_N = (np.array([f"{kind}{number:03}" for number in range(300)]) for kind in "sp")
    with StoreWriter(
        ingest.store_folder(folder / "ingest"), image_shape=(1, 2, 2), dtype="uint8", columns=COLUMNS
    ) as writer:
        for number in range(300):
            row = {"sample_id": sample_N[number], "patient_id": patient_N[number], "device": "ab"[number % 2]}
            image = np.zeros((1, 2, 2), np.uint8)
            writer.add([image], rows=[{**row, "label": CLASSES[target_N[number]]}], note=None)
    (folder / "learn").mkdir(parents=True)
    order_N = rng.permutation(300)
    for side, rows in (("val", order_N[:n_val]), ("test", order_N[n_val:])):
        np.savez(
            folder / "learn" / f"{side}.npz",
            probability_NK=probability_NK[rows],
            target_N=target_N[rows],
            patient_N=patient_N[rows],
            sample_N=sample_N[rows],
        )
    return evaluate.Inputs(learn=folder / "learn", ingest=folder / "ingest")


def run(inputs: evaluate.Inputs, out: Path) -> Context:
    out.mkdir()
    context = Context(recorder=Recorder(out), should_stop=lambda: False, workers=1, checkpoint_every_s=1e9)
    config = evaluate.Config(draws=200, seed=3, specificity=(0.9, 0.95), by=("site", "device"))
    evaluate.run(config, inputs=inputs, out=out, context=context)
    return context


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> tuple[evaluate.Inputs, Path, Context]:
    folder = tmp_path_factory.mktemp("cell")
    inputs = made(folder)
    return inputs, folder / "out", run(inputs, folder / "out")


Cell = tuple[evaluate.Inputs, Path, Context]


def test_metrics_are_those_of_test_with_intervals_around_them(cell: Cell) -> None:
    inputs, out, context = cell
    test = learn.load_predictions(inputs.learn, side="test")
    expected = plain(test.probability_NK, test.target_N)
    metrics, draws = evaluate.load_metrics(out), evaluate.load_draws(out)
    for name, value in expected.items():
        assert metrics[name].value == pytest.approx(value, abs=1e-12)
    for name, found in metrics.items():
        assert found.low <= found.value <= found.high
        assert draws[name].shape == (200,)
        assert context.recorder.metrics[name] == found.value
    assert metrics["auc"].value == pytest.approx(roc_auc_score(test.target_N, test.probability_NK[:, 1]), abs=1e-12)


def test_calibration_is_fitted_on_val_and_shown_beside(cell: Cell) -> None:
    inputs, out, context = cell
    test = learn.load_predictions(inputs.learn, side="test")
    details, metrics = evaluate.load_details(out), evaluate.load_metrics(out)
    temperature = details.temperature.value
    assert temperature is not None
    assert temperature > 1.5, "the classifier is too sure"
    assert details.temperature.n == 120
    assert context.recorder.metrics["temperature"] == temperature
    after = plain(calibrated(test.probability_NK, temperature=temperature), test.target_N)
    for name in ("brier", "ece"):
        assert metrics[f"{name}_calibrated"].value == pytest.approx(after[name], abs=1e-12)
        assert metrics[f"{name}_calibrated"].value < metrics[name].value
    assert sum(each.n for each in details.reliability) == sum(each.n for each in details.reliability_calibrated) == 180


def test_thresholds_come_from_val_alone(cell: Cell) -> None:
    inputs, out, _ = cell
    val, test = (learn.load_predictions(inputs.learn, side=side) for side in ("val", "test"))
    metrics, points = evaluate.load_metrics(out), evaluate.load_details(out).operating_points
    assert [point.specificity_aimed for point in points] == [0.9, 0.95]
    for point in points:
        spared = np.mean(val.probability_NK[val.target_N == 0, 1] < point.threshold)
        assert point.specificity_aimed - 1e-9 <= spared < point.specificity_aimed + 1 / point.n_val_negatives
        called_N = test.probability_NK[:, 1] >= point.threshold
        assert point.sensitivity.value == pytest.approx(called_N[test.target_N == 1].mean())
        assert point.specificity.value == pytest.approx(1 - called_N[test.target_N == 0].mean())
        assert metrics[f"sensitivity_at_val_{100 * point.specificity_aimed:g}_specificity"] == point.sensitivity
    assert points[0].threshold < points[1].threshold


def test_the_test_set_is_taken_apart_by_columns_that_the_store_has(cell: Cell) -> None:
    groups = evaluate.load_details(cell[1]).groups
    assert [(group.column, group.value) for group in groups] == [("device", "a"), ("device", "b")]
    assert sum(group.n for group in groups) == 180
    assert all(group.metrics["auc"].low < group.metrics["auc"].value for group in groups)


def test_the_threshold_is_the_same_for_all_parts(cell: Cell) -> None:
    """Weighted by their negatives, the specificities of the parts are that of the whole."""
    details = evaluate.load_details(cell[1])
    for point in details.operating_points:
        name = f"specificity_at_val_{100 * point.specificity_aimed:g}_specificity"
        parts = [(group.count_K[0], group.metrics[name].value) for group in details.groups]
        together = sum(n * value for n, value in parts) / sum(n for n, _ in parts)
        assert together == pytest.approx(point.specificity.value, abs=1e-12)


def test_everything_reads_back_and_is_plain_json(cell: Cell) -> None:
    inputs, out, _ = cell
    details = evaluate.load_details(out)
    assert details.patients_by_class == tuple(np.bincount(learn.load_predictions(inputs.learn, side="test").target_N))
    json.loads((out / "details.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    kept, told = (learn.load_predictions(folder, side="test") for folder in (out, inputs.learn))
    np.testing.assert_array_equal(kept.probability_NK, told.probability_NK)
    np.testing.assert_array_equal(kept.sample_N, told.sample_N)


def test_the_same_again_is_the_same_bytes(cell: Cell, tmp_path: Path) -> None:
    inputs, out, _ = cell
    run(inputs, tmp_path / "again")
    for name in ("metrics.json", "details.json"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_a_small_val_gives_no_temperature_and_says_why(tmp_path: Path) -> None:
    run(made(tmp_path, n_val=30), tmp_path / "out")
    details = evaluate.load_details(tmp_path / "out")
    assert details.temperature.value is None
    assert "val has 30 images" in details.temperature.refusal
    assert details.reliability_calibrated == ()
    assert "ece_calibrated" not in evaluate.load_metrics(tmp_path / "out")


def test_three_classes_have_no_operating_points(tmp_path: Path) -> None:
    run(made(tmp_path, classes=3), tmp_path / "out")
    details = evaluate.load_details(tmp_path / "out")
    assert details.operating_points == ()
    assert len(details.patients_by_class) == 3
    assert details.temperature.value is not None
    assert len(details.groups) == 2
