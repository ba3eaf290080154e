"""No learner sees a label outside its budget: whatever the others say, its predictions are the same bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medtrimix.augment.options import AugmentOptions
from medtrimix.data import subsets
from medtrimix.data.store_writer import StoreWriter
from medtrimix.lowlabel.options import FROZEN, AnyOptions, LinearOptions
from medtrimix.lowlabel.semi_options import SemiSupervisedOptions
from medtrimix.lowlabel.table import LEARNERS
from medtrimix.methods.options import NoneOptions
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import embed, ingest, learn, pretrain, split
from medtrimix.steps.context import Context, Recorder
from medtrimix.steps.numerics import Numerics
from medtrimix.training.options import AdamWOptions

NUMERICS = Numerics(device="cpu", precision="fp32")
COLUMNS = {"sample_id": str, "patient_id": str, "label": str, "pixel_sha256": str}
TRAIN, VAL, TEST = 30, 10, 10
GIVEN = np.array([0, 1, 2, 3, 8, 9])
"""The rows of the label budget."""


def context(folder: Path) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(recorder=Recorder(folder), should_stop=lambda: False, workers=1, checkpoint_every_s=1e9)


def truth() -> list[str]:
    """Every second one is sick; four training images have no label."""
    return ["" if 20 <= number < 24 else ("healthy", "sick")[number % 2] for number in range(TRAIN + VAL + TEST)]


def write_store(folder: Path, labels: list[str]) -> Path:
    """Noise with a bright square in the sick, with labels as given."""
    rng = np.random.default_rng(0)
    with StoreWriter(ingest.store_folder(folder), image_shape=(1, 20, 20), dtype="uint8", columns=COLUMNS) as writer:
        for number, label in enumerate(labels):
            image = rng.normal(80, 30, (1, 20, 20))
            image[:, 6:14, 6:14] += 80 * (number % 2)
            row = {"sample_id": f"s{number}", "patient_id": f"p{number}", "label": label}
            writer.add(
                [image.clip(0, 255).astype(np.uint8)], rows=[{**row, "pixel_sha256": f"{number:064d}"}], note=None
            )
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A split, an encoder and its features."""
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "split").mkdir()
    side = ["train"] * TRAIN + ["val"] * VAL + ["test"] * TEST
    table = pd.DataFrame({"sample_id": [f"s{number}" for number in range(len(side))], "split": side})
    table.to_csv(split.split_file(folder / "split"), index=False)
    ingested = write_store(folder / "ingest", truth())
    config = pretrain.Config(
        method=NoneOptions(),
        encoder=EncoderOptions(name="resnet10", width=0.125),
        augment=AugmentOptions(),
        batch_size=10,
        image_budget=10,
        epochs=None,
        optimizer=AdamWOptions(),
        numerics=NUMERICS,
        seed=1,
    )
    inputs = pretrain.Inputs(ingest=ingested, split=folder / "split")
    pretrain.run(config, inputs=inputs, out=folder / "pretrain", context=context(folder / "pretrain"))
    embed.run(
        embed.Config(numerics=NUMERICS),
        inputs=embed.Inputs(ingest=ingested, pretrain=folder / "pretrain"),
        out=folder / "embed",
        context=context(folder / "embed"),
    )
    return folder


def short(kind: type[AnyOptions]) -> AnyOptions:
    if kind in FROZEN:
        return kind()
    more = {"unlabelled_batch": 12} if issubclass(kind, SemiSupervisedOptions) else {}
    return kind.model_validate({"min_steps": 6, "max_steps": 6, "curve_points": 2, **more})


def cell(shared: Path, labels: list[str], kind: type[AnyOptions], *, out: Path, realistic: bool = False) -> Path:
    """A cell's folder, with these labels in the store."""
    config = learn.Config(
        strategy=short(kind),
        augment=AugmentOptions(preset="light"),
        budget=3,
        realistic_validation=realistic,
        label_seed=1,
        seed=2,
        numerics=NUMERICS,
    )
    inputs = learn.Inputs(
        ingest=write_store(out / "ingest", labels),
        split=shared / "split",
        pretrain=shared / "pretrain",
        embed=shared / "embed",
    )
    learn.run(config, inputs=inputs, out=out, context=context(out))
    return out


def predicted(shared: Path, labels: list[str], kind: type[AnyOptions], *, out: Path) -> np.ndarray:
    """What a cell says about val and test."""
    folder = cell(shared, labels, kind, out=out)
    sides: tuple[learn.Side, ...] = ("val", "test")
    return np.concatenate([learn.load_predictions(folder, side=side).probability_NK for side in sides])


@pytest.mark.parametrize("kind", LEARNERS, ids=lambda kind: kind.__name__)
def test_labels_outside_the_budget_are_never_seen(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[AnyOptions]
) -> None:
    # Which images get a label does depend on all of them, through the strata; here that is settled.
    monkeypatch.setattr(subsets, "label_subset", lambda *_, **__: GIVEN)
    usual = truth()
    other = [
        {"healthy": "sick", "sick": "healthy", "": "sick"}[label] if row < TRAIN and row not in GIVEN else label
        for row, label in enumerate(usual)
    ]
    wrong = ["sick" if row == GIVEN[0] else label for row, label in enumerate(usual)]
    for name in ("usual", "other", "wrong"):
        (tmp_path / name).mkdir()
    expected = predicted(shared, usual, kind, out=tmp_path / "usual")
    np.testing.assert_array_equal(predicted(shared, other, kind, out=tmp_path / "other"), expected)
    # One that is in the budget is seen, or the test would say nothing.
    assert not np.array_equal(predicted(shared, wrong, kind, out=tmp_path / "wrong"), expected)


@pytest.mark.parametrize(("realistic", "val"), [(True, 6), (False, 10)])
def test_val_is_no_larger_than_the_budget_where_that_is_wanted(
    shared: Path, tmp_path: Path, realistic: bool, val: int
) -> None:
    folder = cell(shared, truth(), LinearOptions, out=tmp_path, realistic=realistic)
    found = learn.load_predictions(folder, side="val")
    assert len(found.target_N) == val
    assert np.bincount(found.target_N).tolist() == [val // 2, val // 2]
    assert len(learn.load_predictions(folder, side="test").target_N) == TEST
