"""Configuration of optimisers; imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from medtrimix.config.model import Config

Rate = Annotated[float, Field(gt=0.0)]
Decay = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Momentum = Annotated[float, Field(ge=0.0, lt=1.0)]


class _Scheduled(Config):
    """Linear warm-up and cosine decay, which every optimiser has.

    Attributes:
        warmup: fraction of the steps.
        final_learning_rate: at the end of the cosine, as a share of the peak.
    """

    warmup: float = Field(default=0.05, ge=0, lt=1)
    final_learning_rate: Share = 0.0


class AdamWOptions(_Scheduled):
    """AdamW.

    Attributes:
        learning_rate: at the peak.
        weight_decay: decoupled.
        exclude_1d: no decay of parameters with one axis: biases, scale and shift of normalisation.
    """

    name: Literal["adamw"] = "adamw"
    learning_rate: Rate = 1e-3
    weight_decay: Decay = 1e-4
    exclude_1d: bool = False


class SGDOptions(_Scheduled):
    """Stochastic gradient descent with momentum.

    Attributes:
        learning_rate: at the peak; .03 for a batch of 256 is MoCo's, .05 SimSiam's.
        momentum: share of the last direction that is kept.
        nesterov: look ahead along the momentum; needs one.
        weight_decay: added to the gradient.
        exclude_1d: no decay of parameters with one axis.
    """

    name: Literal["sgd"] = "sgd"
    learning_rate: Rate = 0.03
    momentum: Momentum = 0.9
    nesterov: bool = False
    weight_decay: Decay = 1e-4
    exclude_1d: bool = False

    @model_validator(mode="after")
    def _something_to_look_along(self) -> Self:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs momentum")
        return self


class LARSOptions(_Scheduled):
    """LARS, for large batches: each layer's step is in proportion to its weights.

    Attributes:
        learning_rate: at the peak; published .2 (Barlow Twins) to .3 (SimCLR) for a batch of 256, in proportion to it.
        momentum: share of the last direction that is kept.
        trust_coefficient: length of a layer's step in units of its weights' length, at a learning rate of 1.
        weight_decay: added to the gradient.
        exclude_1d: parameters with one axis have no decay and plain steps; Barlow Twins gives those a smaller rate too.
    """

    name: Literal["lars"] = "lars"
    learning_rate: Rate = 0.2
    momentum: Momentum = 0.9
    trust_coefficient: Rate = 0.001
    weight_decay: Decay = 1e-6
    exclude_1d: bool = True


def _adamw_without_name(value: Any) -> Any:
    """A mapping without a name is AdamW's."""
    return {"name": "adamw", **value} if isinstance(value, dict) else value


OptimizerOptions = Annotated[
    AdamWOptions | SGDOptions | LARSOptions, Field(discriminator="name"), BeforeValidator(_adamw_without_name)
]
