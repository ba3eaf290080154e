"""The steps that train, on a store of volumes: the same code as for pictures, from the encoder to the predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from medtrimix.augment.options import AugmentOptions
from medtrimix.data.store_writer import StoreWriter
from medtrimix.lowlabel.options import FinetuneOptions, LinearOptions
from medtrimix.lowlabel.semi_options import FixMatchOptions
from medtrimix.methods.options import NoneOptions, PretrainingOptions, SimCLROptions, TriMixOptions
from medtrimix.metrics.evaluate import evaluate
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import embed, ingest, learn, pretrain, split
from medtrimix.steps.context import Context, Recorder
from medtrimix.steps.numerics import Numerics
from medtrimix.training.options import AdamWOptions

SHAPE = (1, 10, 12, 14)
COUNT = 90
NUMERICS = Numerics(device="cpu", precision="fp32")
COLUMNS = {"sample_id": str, "patient_id": str, "label": str, "pixel_sha256": str}


def context(folder: Path) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(recorder=Recorder(folder), should_stop=lambda: False, workers=1, checkpoint_every_s=1e9)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of noisy volumes, half of them with a bright ball, and their split."""
    folder = tmp_path_factory.mktemp("volumes")
    rng = np.random.default_rng(0)
    z, y, x = np.meshgrid(*(np.arange(side) - side / 2 for side in SHAPE[1:]), indexing="ij")
    ball = 90 * ((x**2 + y**2 + z**2) < 16)
    with StoreWriter(
        ingest.store_folder(folder / "ingest"), image_shape=SHAPE, dtype="uint8", columns=COLUMNS
    ) as writer:
        for number in range(COUNT):
            volume = rng.normal(80, 30, SHAPE) + (number % 2) * ball
            row = {"sample_id": f"s{number}", "patient_id": f"p{number}", "label": ("no", "yes")[number % 2]}
            row["pixel_sha256"] = f"{number:064d}"
            writer.add([volume.clip(0, 255).astype(np.uint8)], rows=[row], note=None)
    (folder / "split").mkdir()
    side = np.array(["train"] * 50 + ["val"] * 10 + ["test"] * 30)
    table = pd.DataFrame({"sample_id": [f"s{number}" for number in range(COUNT)], "split": side})
    table.to_csv(split.split_file(folder / "split"), index=False)
    return folder


def pretrained(studied: Path, method: PretrainingOptions | NoneOptions, *, out: Path) -> Path:
    config = pretrain.Config(
        method=method,
        encoder=EncoderOptions(name="resnet10", width=0.125),
        augment=AugmentOptions(preset="ct"),
        batch_size=25,
        image_budget=300,
        epochs=None,
        optimizer=AdamWOptions(),
        numerics=NUMERICS,
        seed=1,
    )
    inputs = pretrain.Inputs(ingest=studied / "ingest", split=studied / "split")
    pretrain.run(config, inputs=inputs, out=out, context=context(out))
    return out


@pytest.mark.parametrize("method", [TriMixOptions(), SimCLROptions()], ids=lambda method: method.method)
def test_pretraining_embedding_and_a_sheet_of_slices(studied: Path, tmp_path: Path, method: PretrainingOptions) -> None:
    trained = pretrained(studied, method, out=tmp_path / "pretrain")
    weights = load_file(trained / "encoder.safetensors")
    assert any(weight.ndim == 5 for weight in weights.values())
    fresh = load_file(pretrained(studied, NoneOptions(), out=tmp_path / "none") / "encoder.safetensors")
    assert any(not np.array_equal(weights[name], fresh[name]) for name in weights)
    with np.load(pretrain.views_file(trained)) as sheet:
        stored = np.load(ingest.store_folder(studied / "ingest") / "images-00000.npy")
        # Six of the fifty, and of each the middle one of its ten slices.
        np.testing.assert_array_equal(sheet["original_BCHW"], stored[:48:8, :, 5])
        shapes = {name: array.shape for name, array in sheet.items() if name != "lambda_B"}
    assert set(shapes.values()) == {(6, 1, 12, 14)}
    assert ("virtual_BCHW" in shapes) == (method.method == "trimix")
    (tmp_path / "embed").mkdir()
    inputs = embed.Inputs(ingest=studied / "ingest", pretrain=trained)
    embed.run(
        embed.Config(numerics=NUMERICS), inputs=inputs, out=tmp_path / "embed", context=context(tmp_path / "embed")
    )
    features = embed.load_features(tmp_path / "embed")
    assert features.shape == (COUNT, 64)
    assert np.isfinite(features).all()
    assert float(features.std(axis=0).max()) > 0


LENGTH = {"min_steps": 40, "max_steps": 40, "batch_size": 16, "scratch_lr": 3e-3}
STRATEGIES = {
    "linear": (LinearOptions(), 1.0),
    "finetune": (FinetuneOptions(**LENGTH), 1.0),
    "fixmatch": (FixMatchOptions(**LENGTH, strong=AugmentOptions(preset="ct"), unlabelled_batch=16, ema=0.8), 0.5),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_learning_finds_the_ball(studied: Path, tmp_path: Path, name: str) -> None:
    strategy, budget = STRATEGIES[name]
    trained = pretrained(studied, NoneOptions(), out=tmp_path / "pretrain")
    embedded = tmp_path / "embed"
    embed.run(
        embed.Config(numerics=NUMERICS),
        inputs=embed.Inputs(ingest=studied / "ingest", pretrain=trained),
        out=embedded,
        context=context(embedded),
    )
    config = learn.Config(
        strategy=strategy,
        augment=AugmentOptions(preset="light"),
        budget=budget,
        realistic_validation=True,
        label_seed=0,
        seed=0,
        numerics=NUMERICS,
    )
    inputs = learn.Inputs(ingest=studied / "ingest", split=studied / "split", pretrain=trained, embed=embedded)
    learn.run(config, inputs=inputs, out=tmp_path / "learn", context=context(tmp_path / "learn"))
    predicted = learn.load_predictions(tmp_path / "learn", side="test")
    assert len(predicted.target_N) == 30
    assert evaluate(predicted.probability_NK, predicted.target_N)["auc"] > 0.8
