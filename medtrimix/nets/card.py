"""What an encoder on disk says about itself; reading it needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from medtrimix.config.digest import digest_of, digest_of_file
from medtrimix.config.model import Config
from medtrimix.errors import InputError
from medtrimix.nets.options import THIN_VOLUME, EncoderSpec

TWO_FILES = "An encoder is two files, NAME.safetensors and NAME.json, written by one pretraining."


class EncoderCard(Config):
    """What `NAME.json` says: how to build the network, and the digest of the weights that belong to it."""

    format: Literal["medtrimix-encoder-1"] = "medtrimix-encoder-1"
    spec: EncoderSpec
    weights_sha256: str


def encoder_files(stem: Path) -> tuple[Path, Path]:
    """Weights and card of the encoder of this name."""
    return stem.with_name(f"{stem.name}.safetensors"), stem.with_name(f"{stem.name}.json")


def encoder_stem(path: Path) -> Path:
    """The name that an encoder's two files share, from itself or from one of them."""
    return path.with_suffix("") if path.suffix in (".safetensors", ".json") else path


def read_card(stem: Path) -> EncoderCard:
    """The card alone.

    Raises:
        InputError: it is missing or none; the message does not say where.
    """
    try:
        return EncoderCard.model_validate_json(encoder_files(stem)[1].read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"not an encoder of medtrimix ({type(error).__name__}).", fix=TWO_FILES) from None


def content_of(stem: Path) -> str:
    """Digest of card and weights, wherever they lie and whatever they are called.

    Raises:
        InputError: one is missing or unreadable; the message does not say where.
    """
    card = read_card(stem)
    try:
        weights = digest_of_file(encoder_files(stem)[0])
    except OSError as error:
        raise InputError(f"not an encoder of medtrimix ({type(error).__name__}).", fix=TWO_FILES) from None
    return digest_of({"card": card.model_dump(mode="json"), "weights": weights})


def why_unfit(spec: EncoderSpec, *, image_shape: tuple[int, ...]) -> str:
    """What images of (C, H, W) or (C, D, H, W) have that this encoder is not for; empty when they fit."""
    made_for = _described(spec.channels, dims=spec.spatial_dims)
    given = _described(image_shape[0], dims=len(image_shape) - 1)
    if made_for != given:
        return f"the encoder is for {made_for}, the images of this study are {given}"
    seven_deep = spec.spatial_dims == 3 and spec.stem_kernel[0] == 7 and spec.options.name.startswith(("res", "dense"))
    if seven_deep and image_shape[1] < THIN_VOLUME:
        return f"the encoder is for volumes of at least {THIN_VOLUME} slices, those of this study have {image_shape[1]}"
    return ""


def _described(channels: int, *, dims: int) -> str:
    return f"{'volumes' if dims == 3 else 'pictures'} of {channels} channel{'s' * (channels != 1)}"
