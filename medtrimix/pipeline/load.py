"""Reads a pipeline file and looks whether what it points to is there, before anything is computed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medtrimix.config.paths import expand
from medtrimix.config.yaml import Document
from medtrimix.errors import ConfigError, InputError, Problem, SourceError
from medtrimix.ingest.listing import ARCHIVE, MANIFESTS, NO_SOURCE
from medtrimix.ingest.options import PHANTOM, SERVICE
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
    problems += _wrong_sources(document)
    problems += _unusable_checkpoints(document, study)
    if problems or study is None:
        raise ConfigError(source=document.name, problems=problems)
    return study


def _wrong_sources(document: Document) -> tuple[Problem, ...]:
    """Checks what is named even when other keys are wrong, so that one look finds all.

    No path is repeated: folder names of hospitals can name patients.
    """
    problems = _wrong_path(document, ("split", "file"), is_source=False)
    for section in (("data",), ("pretrain", "data")):
        source, labels = (*section, "source"), (*section, "labels")
        problems += _wrong_path(document, source, is_source=True)
        if _text_at(document, labels) is None:
            continue
        if _brings_labels(_text_at(document, source) or ""):
            message = "this source brings its own labels; leave the key out, or set source to what they belong to"
            problems.append(_problem(document, labels, message))
        else:
            problems += _wrong_path(document, labels, is_source=False)
    return tuple(problems)


def _wrong_path(document: Document, place: tuple[str, ...], *, is_source: bool) -> list[Problem]:
    text = _text_at(document, place)
    if text is None or (is_source and text == PHANTOM):
        return []
    if is_source and text.startswith(SERVICE):
        return _wrong_address(document, place, source=text)
    path = expand(text)
    hint = " (MEDTRIMIX_DATA, or ./data when it is not set, is expanded)" if "${MEDTRIMIX_DATA}" in text else ""
    try:
        if not path.is_file() and not (is_source and path.exists()):
            message = f"there is no such {'folder or file' if is_source else 'file'}{hint}"
        elif is_source and path.is_file() and path.suffix not in (*MANIFESTS, ARCHIVE):
            message = NO_SOURCE
        else:
            return []
    except OSError as error:
        message = f"it can't be read ({error.strerror}); check the path and its permissions"
    return [_problem(document, place, message)]


def _brings_labels(source: str) -> bool:
    """Whether a source takes no table of labels: those of the phantom, of manifests and of archives are its own."""
    return source == PHANTOM or (not source.startswith(SERVICE) and os.path.isfile(expand(source)))  # noqa: PTH113


def _text_at(document: Document, place: tuple[str, ...]) -> str | None:
    value: Any = document.data
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _problem(document: Document, place: tuple[str, ...], message: str) -> Problem:
    return Problem(document.line(place), ".".join(place), message)


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
        except OSError as error:
            message = f"it can't be read ({error.strerror}); check the path and its permissions"
        if message:
            problems.append(_problem(document, ("pretrain", "arms", name, "weights"), message))
    return tuple(problems)


def _wrong_address(document: Document, place: tuple[str, ...], *, source: str) -> list[Problem]:
    """What can be said of a service's address without asking the service."""
    try:
        parse_service(source)
    except SourceError as error:
        return [_problem(document, place, f"{error.what} {error.fix}")]
    return []
