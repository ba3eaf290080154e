"""Encoders that other studies have pretrained: from files, or from a run in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medtrimix.config.paths import expand
from medtrimix.errors import InputError
from medtrimix.methods.options import CheckpointOptions
from medtrimix.nets.card import content_of, encoder_files, encoder_stem, read_card
from medtrimix.nets.options import EncoderOptions
from medtrimix.tracking.connection import sqlite_uri
from medtrimix.tracking.options import TrackingOptions

ENCODER = "encoder"
"""Name of the two files in a pretraining's run, and of the folder of the run's files in which they are."""


@dataclass(frozen=True)
class Checkpoint:
    """An encoder that is at hand.

    Attributes:
        stem: the name that its two files share.
        content: digest of both, which decides what is made with it.
        encoder: its kind and width.
    """

    stem: Path
    content: str
    encoder: EncoderOptions


def find_checkpoint(options: CheckpointOptions, *, arm: str, tracking: TrackingOptions, workspace: Path) -> Checkpoint:
    """The encoder of an arm; one from MLflow is copied to `encoders/RUN` of the workspace once, and remembered there.

    Raises:
        InputError: there is none; the message names the arm and no path.
    """
    try:
        stem = _stem(options, tracking=tracking, workspace=workspace)
        return Checkpoint(stem, content=content_of(stem), encoder=read_card(stem).spec.options)
    except InputError as error:
        raise InputError(error.what, where=f"pretrain.arms.{arm}.weights", fix=error.fix) from None


def _stem(options: CheckpointOptions, *, tracking: TrackingOptions, workspace: Path) -> Path:
    run_id = options.run_id
    if run_id is None:
        return encoder_stem(expand(options.weights)).resolve()
    folder = workspace / "encoders" / run_id
    if not all(file.is_file() for file in encoder_files(folder / ENCODER)):
        from medtrimix.tracking.artifacts import fetch_folder

        fetch_folder(tracking.uri or sqlite_uri(workspace / "mlflow"), run_id=run_id, folder=ENCODER, out=folder)
    return folder / ENCODER
