"""Reads a pipeline file and looks whether what it points to is there, before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medtrimix.config.paths import expand
from medtrimix.config.yaml import Document
from medtrimix.errors import ConfigError, InputError, Problem, SourceError
from medtrimix.ingest.options import SERVICE
from medtrimix.ingest.pacs.service import parse_service
from medtrimix.methods.options import CheckpointOptions
from medtrimix.nets.card import encoder_files, encoder_stem, read_card, why_unfit
from medtrimix.pipeline.study import Study


def load_study(path: Path, *, overrides: tuple[str, ...] = ()) -> Study:
    """Reads a pipeline file and checks that what it points to is there.

    Raises:
        ConfigError: with every problem found, schema and missing files alike, each with its line.
    """
    document = Document(path, overrides=overrides)
    study, problems = document.validate(Study)
    problems += _missing_files(document)
    problems += _unusable_checkpoints(document, study)
    if problems or study is None:
        raise ConfigError(source=document.name, problems=problems)
    return study


def _missing_files(document: Document) -> tuple[Problem, ...]:
    """Checks the paths even when other keys are wrong, so that one look finds all.

    The path itself is not repeated: folder names of hospitals can name patients.
    """
    problems = []
    for place, what in (
        (("data", "source"), "folder or file"),
        (("data", "labels"), "file"),
        (("pretrain", "data", "source"), "folder or file"),
        (("pretrain", "data", "labels"), "file"),
        (("split", "file"), "file"),
    ):
        text: Any = document.data
        for key in place:
            text = text.get(key) if isinstance(text, dict) else None
        if not isinstance(text, str) or text == "phantom":
            continue
        if key == "source" and text.startswith(SERVICE):
            problems += _wrong_address(text, place=place, line=document.line(place))
            continue
        if expand(text).is_file() or (expand(text).exists() and what != "file"):
            continue
        hint = " (MEDTRIMIX_DATA, or ./data when it is not set, is expanded)" if "${MEDTRIMIX_DATA}" in text else ""
        problems.append(Problem(document.line(place), ".".join(place), f"there is no such {what}{hint}"))
    return tuple(problems)


def _unusable_checkpoints(document: Document, study: Study | None) -> tuple[Problem, ...]:
    """Encoders that are not there, or are for other images; of those in MLflow nothing is known yet."""
    if study is None:
        return ()
    problems = []
    for name, arm in study.pretrain.arms.items():
        if not isinstance(arm, CheckpointOptions) or arm.run_id is not None:
            continue
        stem = encoder_stem(expand(arm.weights))
        try:
            there = all(file.is_file() for file in encoder_files(stem))
            message = (
                why_unfit(read_card(stem).spec, image_shape=study.data.stored_shape)
                if there
                else ("there is no such encoder: NAME.safetensors and NAME.json, side by side")
            )
        except InputError as error:
            message = f"{error.what} {error.fix}"
        if message:
            place = ("pretrain", "arms", name, "weights")
            problems.append(Problem(document.line(place), ".".join(place), message))
    return tuple(problems)


def _wrong_address(source: str, *, place: tuple[str, ...], line: int) -> list[Problem]:
    """What can be said of a service's address without asking the service."""
    try:
        parse_service(source)
    except SourceError as error:
        return [Problem(line, ".".join(place), f"{error.what} {error.fix}")]
    return []
