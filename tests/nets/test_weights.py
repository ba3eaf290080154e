"""Encoders on disk: the same network comes back, anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from medtrimix.config.digest import digest_of_file
from medtrimix.errors import InputError
from medtrimix.nets.encoder import Encoder, build_encoder
from medtrimix.nets.options import EncoderOptions
from medtrimix.nets.weights import load_encoder, save_encoder


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    built = build_encoder(EncoderOptions(name="resnet10", width=0.125), channels=1, image_size=(16, 16))
    built(torch.randn(4, 1, 16, 16))  # running statistics that are not those of a fresh network
    return built


@pytest.fixture
def stem(tmp_path: Path, encoder: Encoder) -> Path:
    save_encoder(encoder, stem=tmp_path / "trimix.best")
    return tmp_path / "trimix.best"


def test_round_trip(stem: Path, encoder: Encoder) -> None:
    assert sorted(file.name for file in stem.parent.iterdir()) == ["trimix.best.json", "trimix.best.safetensors"]
    loaded, image = load_encoder(stem=stem), torch.randn(4, 1, 16, 16)
    assert loaded.spec == encoder.spec
    assert torch.equal(loaded.eval()(image), encoder.eval()(image))


def test_channels_last_weights_are_the_same_file(stem: Path, encoder: Encoder, tmp_path: Path) -> None:
    save_encoder(encoder.to(memory_format=torch.channels_last), stem=tmp_path / "last")
    assert digest_of_file(tmp_path / "last.safetensors") == digest_of_file(stem.with_name("trimix.best.safetensors"))


def test_refuses_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FileNotFoundError"):
        load_encoder(stem=tmp_path / "absent")


def test_refuses_changed_weights(stem: Path) -> None:
    weights = stem.with_name(f"{stem.name}.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="not those that its JSON file describes"):
        load_encoder(stem=stem)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "other"}, "ValidationError"),
        ({"weights_sha256": 1}, "ValidationError"),
        ({"spec": {}}, "Validation"),
    ],
)
def test_refuses_another_card(stem: Path, change: dict[str, object], reason: str) -> None:
    card = stem.with_name(f"{stem.name}.json")
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(InputError, match=reason):
        load_encoder(stem=stem)


def test_refuses_a_card_of_another_network(stem: Path) -> None:
    card = stem.with_name(f"{stem.name}.json")
    content = json.loads(card.read_text())
    content["spec"]["options"]["width"] = 0.25
    card.write_text(json.dumps(content))
    with pytest.raises(InputError, match="not an encoder of medtrimix"):
        load_encoder(stem=stem)


def test_refuses_a_pickle(stem: Path) -> None:
    """Even one whose digest the card vouches for."""
    weights, card = (stem.with_name(f"{stem.name}.{ending}") for ending in ("safetensors", "json"))
    torch.save({"weight": torch.zeros(1)}, weights)
    card.write_text(json.dumps(json.loads(card.read_text()) | {"weights_sha256": digest_of_file(weights)}))
    with pytest.raises(InputError, match="SafetensorError"):
        load_encoder(stem=stem)
