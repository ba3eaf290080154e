"""Configuration of arms, the ways to get an encoder; imports no torch."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from medtrimix.config.model import Config
from medtrimix.nets.options import ProjectorOptions

Temperature = Annotated[float, Field(gt=0.0, le=10.0)]
Weight = Annotated[float, Field(ge=0.0)]


class SimCLROptions(Config):
    """SimCLR: two views of an image attract each other, all other images repel.

    Attributes:
        temperature: of NT-Xent; lower looks at the nearest rivals only.
        projector: head between encoder and loss.
    """

    method: Literal["simclr"] = "simclr"
    temperature: Temperature = 0.2
    projector: ProjectorOptions = ProjectorOptions()


class BarlowTwinsOptions(Config):
    """Barlow Twins: two views agree in each dimension, dimensions don't repeat each other.

    Attributes:
        off_diagonal_weight: of the second demand.
        projector: head between encoder and loss; the method likes it wide.
    """

    method: Literal["barlow_twins"] = "barlow_twins"
    off_diagonal_weight: Weight = 0.0051  # as published
    projector: ProjectorOptions = ProjectorOptions(dim=512)


class VICRegOptions(Config):
    """VICReg: two views agree, each dimension varies, dimensions don't repeat each other.

    Attributes:
        invariance_weight, variance_weight, covariance_weight: of the three demands, as published. With variance and
            covariance at 0 nothing keeps all embeddings from being alike.
        projector: head between encoder and loss; the method likes it wide.
    """

    method: Literal["vicreg"] = "vicreg"
    invariance_weight: Weight = 25.0
    variance_weight: Weight = 25.0
    covariance_weight: Weight = 1.0
    projector: ProjectorOptions = ProjectorOptions(dim=512)


class SimSiamOptions(Config):
    """SimSiam: a predictor maps each view's embedding to the other's, which gets no gradient.

    Attributes:
        predictor_dim: width of the predictor's bottleneck, a quarter of the embedding as published.
        projector: head between encoder and loss; two hidden layers as published.
    """

    method: Literal["simsiam"] = "simsiam"
    predictor_dim: int = Field(default=128, ge=1)
    projector: ProjectorOptions = ProjectorOptions(hidden_layers=2, dim=512)


class BYOLOptions(Config):
    """BYOL: a predictor maps each view's embedding to a slowly moving teacher's of the other view.

    Attributes:
        momentum: share of its weights that the teacher keeps at each step at first; it rises to 1. Published .996 is
            for 10^5 steps and more; in the few thousand of a small study such a teacher would hardly move.
        projector: head between encoder and loss; the predictor has the same hidden width.
    """

    method: Literal["byol"] = "byol"
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99
    projector: ProjectorOptions = ProjectorOptions()


class MoCoV2Options(Config):
    """MoCo v2: the first view finds the second, embedded by a teacher, among embeddings of earlier batches.

    Attributes:
        temperature: of the softmax.
        momentum: share of its weights that the teacher keeps at each step; published .999, see `BYOLOptions`.
        key_group: images of the second view that share batch statistics, 32 as published.
        queue: embeddings to contrast with. Published 65,536 for 1.3 million images; a queue as long as the set would
            hold each image's own former embedding as something to stay away from.
        projector: head between encoder and loss.
    """

    method: Literal["moco_v2"] = "moco_v2"
    temperature: Temperature = 0.2
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99
    key_group: int = Field(default=32, ge=2)
    queue: int = Field(default=1024, ge=1)
    projector: ProjectorOptions = ProjectorOptions()


class MixedBarlowTwinsOptions(Config):
    """Mixed Barlow Twins: the cross-correlation with a mixture is the mixture of cross-correlations.

    Attributes:
        off_diagonal_weight: of Barlow Twins; 1/128 as published with this method.
        mixed_weight: of the second term, which is multiplied by `off_diagonal_weight` too.
        projector: head between encoder and loss.
    """

    method: Literal["mixed_barlow_twins"] = "mixed_barlow_twins"
    off_diagonal_weight: Weight = 1 / 128
    mixed_weight: Weight = 4.0
    projector: ProjectorOptions = ProjectorOptions(dim=512)


class IMixOptions(Config):
    """i-Mix: a mixture of first views finds the second views of both originals, each with its share.

    Attributes:
        temperature: of the softmax.
        alpha: shares come from Beta(alpha, alpha), one per sample.
        projector: head between encoder and loss.
    """

    method: Literal["i_mix"] = "i_mix"
    temperature: Temperature = 0.2
    alpha: float = Field(default=1.0, gt=0.0)
    projector: ProjectorOptions = ProjectorOptions()


class MAEOptions(Config):
    """Masked autoencoder: from a few patches of an image, draw the others. For the encoder `vit` only.

    Attributes:
        mask_ratio: part of the patches that the encoder does not see; .75 as published.
        targets: `normalised` standardises the pixels of each patch, as published; or the `pixels` themselves.
        decoder_dim: width of the decoder. Published 512 beside an encoder of 1,024; the encoder's is 192 at width .25.
        decoder_depth: its blocks; published 8. A deeper one leaves more of the drawing to the decoder, and the encoder
            better for linear probes.
    """

    method: Literal["mae"] = "mae"
    mask_ratio: float = Field(default=0.75, gt=0.0, lt=1.0)
    targets: Literal["normalised", "pixels"] = "normalised"
    decoder_dim: int = Field(default=128, ge=32, multiple_of=32)
    decoder_depth: int = Field(default=4, ge=1, le=24)


_TEMPERATURE_IN_TRIMIX = 0.5


def _base(value: Any) -> Any:
    """`simclr` is short for `{method: simclr}`."""
    given = {"method": value} if isinstance(value, str) else value
    if isinstance(given, dict) and given.get("method") == "simclr":
        return {"temperature": _TEMPERATURE_IN_TRIMIX, **given}
    return given


TwoViewOptions = SimCLROptions | BarlowTwinsOptions | VICRegOptions | SimSiamOptions | BYOLOptions
Base = Annotated[TwoViewOptions, Field(discriminator="method"), BeforeValidator(_base)]

_DEFAULTS_OF_BASE: dict[str, dict[str, Any]] = {
    # Soft assignment would pull against self-consistency here, and at a consistency weight of 1 the effective rank of
    # the embedding fell from 50 to 6.
    "barlow_twins": {"extraction": "unmix", "consistency_weight": 0.1},
    "vicreg": {"extraction": "unmix", "consistency_weight": 0.1},
}
_LOSS_OF_BATCH_ONLY = ("barlow_twins", "vicreg")


class TriMixOptions(Config):
    """TriMix: a two-view base loss, extraction of the originals from a mixture, and self-consistency.

    Attributes:
        base: the two-view method that brings projector and loss: a name, or a mapping with `method` and its options;
            the temperature of `simclr` is 0.5 here unless it is given.
        extraction: how the originals are found in the mixture: `soft_assignment`, `unmix`, by a small network that
            is told the share (`head`), or `none`. By default `unmix` with `barlow_twins` and `vicreg`.
        extraction_weight: weight of that term.
        consistency_weight: weight of self-consistency, 0 leaves it out; by default 0.1 with `barlow_twins`
            and `vicreg`.
        consistency_on: compare `projections` or the encoder's `features`.
        clean: what is seen unmixed: `both` views; only the `second`, whose embeddings are then the actual ones (two
            passes, no base loss); the second, by a `teacher` that gets no gradient.
        mixing: mix `images` (a pass of their own), feature maps at each depth in turn (`hidden`, the same), or the
            encoder's `features` (no pass).
        blend: of images: `linear`, a pasted box (`cutmix`), or each spatial frequency from one of them (`frequency`).
        partners: `random`, or `near` ones: those of the batch that are alike, each image once.
        originals: images in a mixture.
        alpha: shares come from Beta(alpha, alpha), the largest goes to the image itself; small = light mixing.
        lambda_per: one share per `batch` or per `sample`; the latter needs a base with a loss of a sample.
        ramp_up: part of the training, 0 to 1, over which the weights of both terms grow linearly from 0.
    """

    method: Literal["trimix"] = "trimix"
    base: Base = SimCLROptions(temperature=_TEMPERATURE_IN_TRIMIX)
    extraction: Literal["soft_assignment", "unmix", "head", "none"] = "soft_assignment"
    extraction_weight: Weight = 1.0
    consistency_weight: Weight = 1.0
    consistency_on: Literal["projections", "features"] = "projections"
    clean: Literal["both", "second", "teacher"] = "both"
    mixing: Literal["images", "hidden", "features"] = "images"
    blend: Literal["linear", "cutmix", "frequency"] = "linear"
    partners: Literal["random", "near"] = "random"
    originals: Literal[2, 3] = 2
    alpha: float = Field(default=1.0, gt=0.0)
    lambda_per: Literal["batch", "sample"] = "batch"
    ramp_up: float = Field(default=0.0, ge=0.0, le=1.0)

    @model_validator(mode="before")
    @classmethod
    def _base_fills_in(cls, given: Any) -> Any:
        base = given.get("base") if isinstance(given, dict) else None
        name = base.get("method") if isinstance(base, dict) else getattr(base, "method", base)
        return {**_DEFAULTS_OF_BASE.get(name, {}), **given} if isinstance(name, str) else given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.base.method in _LOSS_OF_BATCH_ONLY and self.lambda_per == "sample":
            raise ValueError(f"lambda_per: sample needs a loss of a single sample, which {self.base.method} has not")
        if self.clean != "both" and self.base.method == "byol":
            raise ValueError(f"clean: {self.clean} has no place for the teacher that byol brings itself")
        extracts = self.extraction != "none" and self.extraction_weight > 0
        if not extracts and not self.consistency_weight:
            raise ValueError(
                "without extraction and consistency the mixtures are for nothing: take the base as the method, "
                f"{{method: {self.base.method}}}"
            )
        if self.clean != "both" and (not extracts or self.mixing != "images"):
            raise ValueError(
                f"clean: {self.clean} sees the first view only mixed: it needs extraction and mixing: images"
            )
        if self.clean != "both" and self.ramp_up:
            raise ValueError(f"clean: {self.clean} has no base loss that could lead while the others ramp_up")
        if self.mixing == "features" and self.consistency_on == "features" and self.consistency_weight:
            raise ValueError("mixing: features makes the mixture of features that consistency_on: features asks for")
        if self.blend != "linear" and (self.mixing != "images" or self.originals != 2 or self.lambda_per != "batch"):
            raise ValueError(f"blend: {self.blend} is for two images and one share per batch")
        return self


class NoneOptions(Config):
    """No pretraining: the encoder starts from random weights."""

    method: Literal["none"] = "none"


MLFLOW_RUN = "mlflow-run:"


class CheckpointOptions(Config):
    """An encoder that another study has pretrained; the study's own `encoder` is not asked.

    Attributes:
        weights: `NAME.safetensors`, beside which `NAME.json` lies, or NAME alone; or `mlflow-run:` and the id of a
            pretraining's run.
    """

    method: Literal["checkpoint"] = "checkpoint"
    weights: str = Field(min_length=1)

    @field_validator("weights", mode="after")
    @classmethod
    def _run_has_an_id(cls, text: str) -> str:
        if text.startswith(MLFLOW_RUN) and not re.fullmatch("[0-9a-f]{32}", text.removeprefix(MLFLOW_RUN)):
            raise ValueError(f"{MLFLOW_RUN} takes the 32 hex digits that MLflow shows as the run's id")
        return text

    @property
    def run_id(self) -> str | None:
        """The MLflow run, None for files."""
        return self.weights.removeprefix(MLFLOW_RUN) if self.weights.startswith(MLFLOW_RUN) else None


PretrainingOptions = TriMixOptions | TwoViewOptions | MoCoV2Options | MixedBarlowTwinsOptions | IMixOptions | MAEOptions
ArmOptions = Annotated[PretrainingOptions | CheckpointOptions | NoneOptions, Field(discriminator="method")]
