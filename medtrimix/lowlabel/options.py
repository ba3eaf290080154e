"""How a classifier learns from few labels; imports no torch and no scikit-learn."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from medtrimix.config.model import Config
from medtrimix.lowlabel.network_options import ClassWeight, NetworkOptions
from medtrimix.lowlabel.semi_options import (
    FixMatchOptions,
    FlexMatchOptions,
    ICTOptions,
    MeanTeacherOptions,
    PseudoLabelOptions,
)


class KNNOptions(Config):
    """The vote of the nearest labelled images, by frozen features.

    Attributes:
        strategy: the name in the pipeline file.
        neighbours: how many vote, all where there are fewer labels.
        metric: `cosine` of the features, or `euclidean` distance after centring, in units of their spread.
        temperature: of the votes' weights: the higher, the more alike.
        class_weight: see `ClassWeight`; `balanced` divides a vote by the number of labels of its class.
    """

    strategy: Literal["knn"] = "knn"
    neighbours: int = Field(default=20, ge=1)
    metric: Literal["cosine", "euclidean"] = "cosine"
    temperature: float = Field(default=0.07, gt=0)
    class_weight: ClassWeight = "none"


class LinearOptions(Config):
    """Logistic regression on frozen, standardised features.

    Attributes:
        strategy: the name in the pipeline file.
        inverse_regularisation: scikit-learn's C. Fixed beforehand: a handful of labels leaves nothing to choose it on.
        class_weight: see `ClassWeight`.
    """

    strategy: Literal["linear"] = "linear"
    inverse_regularisation: float = Field(default=0.1, gt=0)
    class_weight: ClassWeight = "none"


class FinetuneOptions(NetworkOptions):
    """Training on the labelled images alone."""

    strategy: Literal["finetune"] = "finetune"


FROZEN = (KNNOptions, LinearOptions)
"""Those that see features of the arm's encoder, and never the images."""


def _named(value: Any) -> Any:
    """`finetune` is short for `{strategy: finetune}`."""
    return {"strategy": value} if isinstance(value, str) else value


AnyOptions: TypeAlias = (
    KNNOptions
    | LinearOptions
    | FinetuneOptions
    | FixMatchOptions
    | FlexMatchOptions
    | PseudoLabelOptions
    | MeanTeacherOptions
    | ICTOptions
)
StrategyOptions: TypeAlias = Annotated[AnyOptions, Field(discriminator="strategy"), BeforeValidator(_named)]
"""One strategy of a pipeline file: a name, or a mapping with `strategy` and what differs from the defaults."""
