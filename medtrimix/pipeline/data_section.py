"""The `data` section alone: of a pipeline file whose other sections do not matter, or of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from medtrimix.config.model import Config
from medtrimix.config.paths import expand
from medtrimix.config.yaml import Document
from medtrimix.errors import ConfigError
from medtrimix.ingest.options import SERVICE, DataOptions

_SECTION = "data"


class _OnlyData(Config):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    data: DataOptions


def load_data_section(
    path: Path | None, *, overrides: tuple[str, ...], source: str, labels: Path | None, label: tuple[str, ...]
) -> DataOptions:
    """The options of a source.

    Args:
        path: a pipeline file, None for the defaults.
        overrides: `a.b=c` texts, with or without `data.` in front.
        source: in the place of the file's.
        labels: in the place of the file's, whose labels belong to its own source.
        label: names of label columns; none: the file's.

    Raises:
        ConfigError: with every problem found.
    """
    document = Document(path, overrides=tuple(f"{_SECTION}.{text.removeprefix(f'{_SECTION}.')}" for text in overrides))
    given: dict[str, Any] = {
        "source": source if source.startswith(SERVICE) else str(expand(source)),
        "labels": None if labels is None else str(expand(str(labels))),
    }
    if label:
        given["label"] = label[0] if len(label) == 1 else list(label)
    section = document.data.setdefault(_SECTION, {})
    if isinstance(section, dict):  # else `validate` says that it should be
        section.update(given)
    options, problems = document.validate(_OnlyData)
    if options is None:
        raise ConfigError(source=document.name, problems=problems)
    return options.data
