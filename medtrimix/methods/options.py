"""Configuration of arms, the ways to get an encoder; imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from medtrimix.config.model import Config
from medtrimix.nets.options import ProjectorOptions

Extraction = Literal["soft_assignment", "unmix", "none"]
Temperature = Annotated[float, Field(gt=0.0, le=10.0)]
Weight = Annotated[float, Field(ge=0.0)]

BARLOW_OFF_DIAGONAL_WEIGHT = 0.0051  # as published


class SimCLROptions(Config):
    """SimCLR: two views of an image attract each other, all other images repel.

    Attributes:
        temperature: of NT-Xent; lower looks at the nearest rivals only.
        projector: head between encoder and loss.
    """

    method: Literal["simclr"] = "simclr"
    temperature: Temperature = 0.2
    projector: ProjectorOptions = ProjectorOptions()

    @property
    def passes_per_step(self) -> int:
        """How often each image of a batch goes through the encoder in one step."""
        return 2


class BarlowTwinsOptions(Config):
    """Barlow Twins: two views agree in each dimension, dimensions don't repeat each other.

    Attributes:
        off_diagonal_weight: of the second demand.
        projector: head between encoder and loss; the method likes it wide.
    """

    method: Literal["barlow_twins"] = "barlow_twins"
    off_diagonal_weight: Weight = BARLOW_OFF_DIAGONAL_WEIGHT
    projector: ProjectorOptions = ProjectorOptions(dim=512)

    @property
    def passes_per_step(self) -> int:
        """How often each image of a batch goes through the encoder in one step."""
        return 2


_DEFAULTS_OF_BASE: dict[str, dict[str, Any]] = {
    # Soft assignment would pull against self-consistency here, and at a consistency weight of 1 the effective rank of
    # the embedding fell from 50 to 6.
    "barlow_twins": {"extraction": "unmix", "consistency_weight": 0.1, "projector": ProjectorOptions(dim=512)},
}


class TriMixOptions(Config):
    """TriMix: a two-view base loss, extraction of the originals from a mixture, and self-consistency.

    Attributes:
        base: the two-view loss.
        temperature: of NT-Xent; only with base `simclr`.
        off_diagonal_weight: of Barlow Twins; only with base `barlow_twins`.
        extraction: how the originals are found in the mixture; by default `soft_assignment` with `simclr` and
            `unmix` with `barlow_twins`.
        extraction_weight: weight of that term.
        consistency_weight: weight of self-consistency; by default 1 with `simclr`, 0.1 with `barlow_twins`.
        mixing: mix `images` (a third pass through the encoder) or the encoder's `features` (two passes).
        alpha: mixing proportions come from Beta(alpha, alpha), folded to the larger share; small = light mixing.
        lambda_per: one proportion per `batch` or per `sample` (`simclr` only: Barlow Twins has no loss of a sample).
        ramp_up: part of the training, 0 to 1, over which the weights of both terms grow linearly from 0.
        projector: head between encoder and loss.
    """

    method: Literal["trimix"] = "trimix"
    base: Literal["simclr", "barlow_twins"] = "simclr"
    temperature: Temperature = 0.5
    off_diagonal_weight: Weight = BARLOW_OFF_DIAGONAL_WEIGHT
    extraction: Extraction = "soft_assignment"
    extraction_weight: Weight = 1.0
    consistency_weight: Weight = 1.0
    mixing: Literal["images", "features"] = "images"
    alpha: float = Field(default=1.0, gt=0.0)
    lambda_per: Literal["batch", "sample"] = "batch"
    ramp_up: float = Field(default=0.0, ge=0.0, le=1.0)
    projector: ProjectorOptions = ProjectorOptions()

    @property
    def passes_per_step(self) -> int:
        """How often each image of a batch goes through the encoder in one step."""
        return 3 if self.mixing == "images" else 2

    @model_validator(mode="before")
    @classmethod
    def _base_fills_in(cls, given: Any) -> Any:
        base = given.get("base") if isinstance(given, dict) else None
        return {**_DEFAULTS_OF_BASE.get(base, {}), **given} if isinstance(base, str) else given

    @model_validator(mode="after")
    def _fits_its_base(self) -> Self:
        if self.base == "barlow_twins" and self.lambda_per == "sample":
            raise ValueError("lambda_per: sample needs base: simclr; Barlow Twins has no loss of a single sample")
        return self


class NoneOptions(Config):
    """No pretraining: the encoder starts from random weights."""

    method: Literal["none"] = "none"


PretrainingOptions = TriMixOptions | SimCLROptions | BarlowTwinsOptions
ArmOptions = Annotated[TriMixOptions | SimCLROptions | BarlowTwinsOptions | NoneOptions, Field(discriminator="method")]
