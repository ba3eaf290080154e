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


def write_corners(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    with StoreWriter(
        ingest.store_folder(folder), image_shape=(1, SIDE, SIDE), dtype="uint8", columns=COLUMNS
    ) as writer:
        for row in ROWS:
            image = generator.normal(90, 12, (1, SIDE, SIDE))
            image[0, CORNER, CORNER] += 110 * (row.label == "yes")
            image = image.clip(0, 255).astype(np.uint8)
            facts = {"sample_id": row.sample, "patient_id": row.patient, "label": row.label, "split": row.split}
            facts["pixel_sha256"] = hashlib.sha256(image.tobytes()).hexdigest()
            writer.add([image], rows=[facts], note=None)
    return folder


@pytest.mark.parametrize(
    "strategy", [LinearOptions(), FinetuneOptions(min_steps=40, max_steps=40)], ids=["linear", "finetune"]
)
def test_the_map_is_red_where_the_classes_differ(strategy: StrategyOptions, tmp_path: Path) -> None:
    folders = {
        "ingest": write_corners(tmp_path / "ingest"),
        "split": write_split(tmp_path / "split", ROWS),
        "pretrain": write_arm(tmp_path),
    }
    torch.manual_seed(0)
    encoder = build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(SIDE, SIDE))
    save_encoder(encoder, stem=pretrain.encoder_stem(tmp_path))
    numerics = Numerics(device="cpu", precision="fp32")
    for name in ("embed", "learn", "explain"):
        (tmp_path / name).mkdir()
    embed.run(
        embed.Config(numerics=numerics),
        inputs=embed.Inputs(ingest=folders["ingest"], pretrain=folders["pretrain"]),
        out=tmp_path / "embed",
        context=context(tmp_path / "embed", workers=1),
    )
    folders["embed"] = tmp_path / "embed"
    cell = learn.Config(
        strategy=strategy,
        augment=AugmentOptions(preset="light"),
        budget=1.0,
        label_seed=0,
        seed=1,
        numerics=numerics,
    )
    learn.run(cell, inputs=learn.Inputs(**folders), out=tmp_path / "learn", context=context(tmp_path / "learn"))
    explain.run(
        explain.Config(cell=cell),
        inputs=explain.Inputs(**folders, learn=tmp_path / "learn"),
        out=tmp_path / "explain",
        context=context(tmp_path / "explain"),
    )
    found = explain.load_explained(tmp_path / "explain")
    said = learn.load_predictions(tmp_path / "learn", side="val")
    by_name = dict(zip(said.sample_N.tolist(), said.probability_NK.tolist(), strict=True))
    assert [by_name[ROWS[row].sample] for row in found.row_B] == found.probability_BK.tolist()
    assert found.evidence_BYX.shape == (len(found.row_B), 8, 8)
    sure = (found.kind_B == "right") & (found.target_B == 1)
    assert sure.sum() == 4
    for evidence_YX in found.evidence_BYX[sure]:
        y, x = np.unravel_index(evidence_YX.argmax(), evidence_YX.shape)
        assert {int(y), int(x)} <= {1, 2}
        assert evidence_YX.max() > 4 * np.abs(evidence_YX[4:, 4:]).max(), "and nearly nothing on the other side"
