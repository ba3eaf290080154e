"""How a classifier learns from few labels; imports no torch and no scikit-learn."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from medtrimix.config.model import Config

ClassWeight: TypeAlias = Literal["none", "balanced"]
"""`balanced`: every class has the same say in the loss, whatever its number of labels."""


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


class FinetuneOptions(Config):
    """Training of the whole network, a linear head on the encoder, for a number of steps that is fixed beforehand.

    Attributes:
        strategy: the name in the pipeline file.
        epochs: passes over the labelled images, within `min_steps` and `max_steps`.
        min_steps: optimiser steps at least, however few the labels.
        max_steps: optimiser steps at most, however many the labels.
        batch_size: images a step at most.
        min_batches_per_epoch: with few labels the batch shrinks to keep so many steps in a pass over them.
        encoder_lr: peak learning rate of a pretrained encoder.
        scratch_lr: peak learning rate of an encoder with random weights.
        head_lr: peak learning rate of the classifier's last layer.
        weight_decay: of AdamW.
        warmup: share of the steps in which the learning rate rises; then it falls along a half cosine to zero.
        class_weight: see `ClassWeight`.
        curve_points: how often training loss and validation metrics are recorded; nothing is chosen by them.
    """

    strategy: Literal["finetune"] = "finetune"
    epochs: int = Field(default=8, ge=1)
    min_steps: int = Field(default=160, ge=1)
    max_steps: int = Field(default=2000, ge=1)
    batch_size: int = Field(default=64, ge=2)
    min_batches_per_epoch: int = Field(default=3, ge=1)
    encoder_lr: float = Field(default=1e-4, gt=0)
    scratch_lr: float = Field(default=1e-3, gt=0)
    head_lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    class_weight: ClassWeight = "none"
    curve_points: int = Field(default=5, ge=1)

    @model_validator(mode="after")
    def _minimum_below_maximum(self) -> FinetuneOptions:
        if self.min_steps > self.max_steps:
            raise ValueError(f"min_steps {self.min_steps} is above max_steps {self.max_steps}")
        return self


def _named(value: Any) -> Any:
    """`finetune` is short for `{strategy: finetune}`."""
    return {"strategy": value} if isinstance(value, str) else value


StrategyOptions: TypeAlias = Annotated[
    LinearOptions | FinetuneOptions, Field(discriminator="strategy"), BeforeValidator(_named)
]
"""One strategy of a pipeline file: a name, or a mapping with `strategy` and what differs from the defaults."""
