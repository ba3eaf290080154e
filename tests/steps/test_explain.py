"""What an answer rests on: known, where the two classes differ in one corner only."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import COLUMNS, SIDE, Row, context, write_arm, write_split

from medtrimix.augment.options import AugmentOptions
from medtrimix.data.store_writer import StoreWriter
from medtrimix.lowlabel.options import FinetuneOptions, LinearOptions, StrategyOptions
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.options import EncoderOptions
from medtrimix.nets.weights import save_encoder
from medtrimix.steps import embed, explain, ingest, learn, pretrain
from medtrimix.steps.numerics import Numerics

SIDES = ["train"] * 60 + ["val"] * 24 + ["test"] * 6
ROWS = tuple(
    Row(f"s{number:02}", f"p{number:02}", number, label=("no", "yes")[number % 2], split=side)
    for number, side in enumerate(SIDES)
)
CORNER = slice(2, 6)
"""Of 16 pixels, where those of class yes are bright: cells 1 and 2 of the map's 8."""


FINDINGS = tuple(
    Row(f"s{number:02}", f"p{number:02}", number, label=("none", "left", "right", "left|right")[number % 4], split=side)
    for number, side in enumerate(SIDES)
)
"""The first brightens the upper left corner, the second the lower right one."""
OTHER = slice(10, 14)


def write_corners(folder: Path, rows: tuple[Row, ...] = ROWS) -> Path:
    generator = np.random.default_rng(0)
    with StoreWriter(
        ingest.store_folder(folder), image_shape=(1, SIDE, SIDE), dtype="uint8", columns=COLUMNS
    ) as writer:
        for row in rows:
            image = generator.normal(90, 12, (1, SIDE, SIDE))
            image[0, CORNER, CORNER] += 110 * ("yes" in row.label or "left" in row.label)
            image[0, OTHER, OTHER] += 110 * ("right" in row.label)
            image = image.clip(0, 255).astype(np.uint8)
            facts = {"sample_id": row.sample, "patient_id": row.patient, "label": row.label, "split": row.split}
            facts["pixel_sha256"] = hashlib.sha256(image.tobytes()).hexdigest()
            writer.add([image], rows=[facts], note=None)
    return folder


def explained(
    folder: Path, strategy: StrategyOptions, *, rows: tuple[Row, ...]
) -> tuple[explain.Explained, learn.Predictions]:
    folders = {
        "ingest": write_corners(folder / "ingest", rows),
        "split": write_split(folder / "split", rows),
        "pretrain": write_arm(folder),
    }
    torch.manual_seed(0)
    encoder = build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(SIDE, SIDE))
    save_encoder(encoder, stem=pretrain.encoder_stem(folder))
    numerics = Numerics(device="cpu", precision="fp32")
    for name in ("embed", "learn", "explain"):
        (folder / name).mkdir()
    embed.run(
        embed.Config(numerics=numerics),
        inputs=embed.Inputs(ingest=folders["ingest"], pretrain=folders["pretrain"]),
        out=folder / "embed",
        context=context(folder / "embed", workers=1),
    )
    folders["embed"] = folder / "embed"
    cell = learn.Config(
        strategy=strategy,
        augment=AugmentOptions(preset="light"),
        budget=1.0,
        label_seed=0,
        seed=1,
        numerics=numerics,
    )
    learn.run(cell, inputs=learn.Inputs(**folders), out=folder / "learn", context=context(folder / "learn"))
    explain.run(
        explain.Config(cell=cell),
        inputs=explain.Inputs(**folders, learn=folder / "learn"),
        out=folder / "explain",
        context=context(folder / "explain"),
    )
    return explain.load_explained(folder / "explain"), learn.load_predictions(folder / "learn", side="val")


BOTH = pytest.mark.parametrize(
    "strategy", [LinearOptions(), FinetuneOptions(min_steps=40, max_steps=40)], ids=["linear", "finetune"]
)


@BOTH
def test_the_map_is_red_where_the_classes_differ(strategy: StrategyOptions, tmp_path: Path) -> None:
    found, said = explained(tmp_path, strategy, rows=ROWS)
    by_name = dict(zip(said.sample_N.tolist(), said.probability_NK.tolist(), strict=True))
    assert [by_name[ROWS[row].sample] for row in found.row_B] == found.probability_BK.tolist()
    assert found.evidence_BYX.shape == (len(found.row_B), 8, 8)
    sure = (found.kind_B == "right") & (found.target_B == 1)
    assert sure.sum() == 4
    for evidence_YX in found.evidence_BYX[sure]:
        y, x = np.unravel_index(evidence_YX.argmax(), evidence_YX.shape)
        assert {int(y), int(x)} <= {1, 2}
        assert evidence_YX.max() > 4 * np.abs(evidence_YX[4:, 4:]).max(), "and nearly nothing on the other side"


@BOTH
def test_the_map_of_a_finding_is_red_where_that_finding_is(strategy: StrategyOptions, tmp_path: Path) -> None:
    found, _ = explained(tmp_path, strategy, rows=FINDINGS)
    seen = found.kind_B == "seen"
    assert np.bincount(found.column_B[seen]).tolist() == [4, 4]
    assert found.target_B.shape == (len(found.row_B), 2)
    for column, evidence_YX in zip(found.column_B[seen], found.evidence_BYX[seen], strict=True):
        y, x = np.unravel_index(evidence_YX.argmax(), evidence_YX.shape)
        assert {int(y), int(x)} <= ({1, 2} if column == 0 else {5, 6})
