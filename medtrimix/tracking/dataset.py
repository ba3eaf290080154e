"""Naming the data of a run without saying where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_DIGEST_LIMIT = 36


@dataclass(frozen=True)
class DatasetCard:
    """A data set as MLflow shows it.

    Attributes:
        name: a name that identifies nobody, such as the study's.
        digest: hex digest of the stored arrays; MLflow keeps the first 36 digits.
        context: what the run did with it: `training`, `test`.
        schema: column or axis -> type.
        profile: counts, such as images, patients and classes per split.
    """

    name: str
    digest: str
    context: str
    schema: Mapping[str, str]
    profile: Mapping[str, int | float | str]


def as_input(card: DatasetCard) -> DatasetInput:
    """MLflow's form of the card; the source is the digest itself, never a path."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=card.name,
        digest=card.digest[:_DIGEST_LIMIT],
        source_type="medtrimix",
        source=json.dumps({"sha256": card.digest}),
        schema=json.dumps(dict(card.schema)),
        profile=json.dumps(dict(card.profile)),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", card.context)])
