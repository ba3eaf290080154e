"""Encoders on disk: `NAME.safetensors` with the weights, `NAME.json` with all that is needed to build the network."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medtrimix.config.digest import digest_of_file
from medtrimix.config.files import replacing, write_json
from medtrimix.errors import InputError
from medtrimix.nets.card import TWO_FILES, EncoderCard, encoder_files
from medtrimix.nets.encoder import Encoder


def save_encoder(encoder: Encoder, *, stem: Path) -> None:
    """Writes `stem`.safetensors, then `stem`.json; the second one's presence means that both are whole."""
    weights, card = encoder_files(stem)
    with replacing(weights) as temporary:
        save_file({name: tensor.cpu().contiguous() for name, tensor in encoder.state_dict().items()}, temporary)
    write_json(card, EncoderCard(spec=encoder.spec, weights_sha256=digest_of_file(weights)).model_dump(mode="json"))


def load_encoder(*, stem: Path) -> Encoder:
    """The encoder that `save_encoder` wrote, on the CPU and in training mode like a fresh one. Reads no pickle.

    Raises:
        InputError: a file is missing or unreadable, or the two don't belong together.
    """
    weights, card_file = encoder_files(stem)
    try:
        card = EncoderCard.model_validate_json(card_file.read_bytes())
        if digest_of_file(weights) != card.weights_sha256:
            raise InputError("the weights are not those that its JSON file describes.", where=weights.name)
        encoder = Encoder(card.spec)
        encoder.load_state_dict(load_file(weights))
    except (OSError, ValidationError, SafetensorError, RuntimeError) as error:  # RuntimeError: tensors of other shapes
        what = f"not an encoder of medtrimix ({type(error).__name__})."
        raise InputError(what, where=stem.name, fix=TWO_FILES) from error
    return encoder
