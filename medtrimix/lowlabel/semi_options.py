"""How a classifier learns from a few labels and many images without; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from medtrimix.augment.options import AugmentOptions
from medtrimix.lowlabel.network_options import NetworkOptions

Alignment: TypeAlias = Literal["none", "labels"]
"""`labels`: pseudo labels are pulled towards the classes' frequencies among the labelled images."""
Threshold = Annotated[float, Field(ge=0.0, lt=1.0)]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

_STRONG = {"preset": "radiograph", "erase_probability": 1.0, "erase_scale": (0.05, 0.25)}


class SemiSupervisedOptions(NetworkOptions):
    """What the semi-supervised learners share; their defaults suit one core and small images.

    Attributes:
        min_batches_per_epoch: the labelled images of a batch are normalised by themselves, which takes more than three.
        encoder_lr: half of finetuning's; chosen on val, from two draws (docs/learners.md).
        unlabelled_batch: images without label a step.
        unlabelled_weight: factor on the loss of those images, at its highest.
    """

    min_steps: int = Field(default=300, ge=1)
    max_steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=32, ge=2)
    min_batches_per_epoch: int = Field(default=0, ge=0)
    encoder_lr: float = Field(default=5e-4, gt=0)
    unlabelled_batch: int = Field(default=112, ge=2)
    unlabelled_weight: float = Field(default=1.0, ge=0)


class ConfidenceOptions(SemiSupervisedOptions):
    """Confident predictions of weak views as labels of strong ones.

    Attributes:
        strong: how strong views are made; weak ones are `learn.augment`'s.
        threshold: probability from which on a prediction counts.
        alignment: see `Alignment`.
        ema: share that the moving average of the weights, which predicts in the end, keeps at each step.
    """

    strong: AugmentOptions = AugmentOptions.model_validate(_STRONG)
    threshold: Threshold = 0.95
    alignment: Alignment = "none"
    ema: Decay = 0.99


class FixMatchOptions(ConfidenceOptions):
    """FixMatch: one threshold for all classes."""

    strategy: Literal["fixmatch"] = "fixmatch"


class FlexMatchOptions(ConfidenceOptions):
    """FlexMatch: a threshold for each class, the lower the less of it has been learnt."""

    strategy: Literal["flexmatch"] = "flexmatch"


class PseudoLabelOptions(SemiSupervisedOptions):
    """Pseudo-labels: the network's own most probable class, with a say that rises during the training.

    Attributes:
        strategy: the name in the pipeline file.
        rise_from: part of the training after which pseudo labels count at all.
        rise_to: part of the training after which they count fully.
        threshold: probability from which on a prediction counts; 0 takes all, as published.
        alignment: see `Alignment`.
    """

    strategy: Literal["pseudo_label"] = "pseudo_label"
    rise_from: Share = 0.2
    rise_to: Share = 0.7
    threshold: Threshold = 0.0
    alignment: Alignment = "none"

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.rise_to < self.rise_from:
            raise ValueError(f"rise_to {self.rise_to} is below rise_from {self.rise_from}")
        return self


class TeacherOptions(SemiSupervisedOptions):
    """A moving average of the network as the teacher of what it should say about images without label.

    Attributes:
        ema: share of its weights that the teacher keeps at each step.
        rampup: part of the training in which the consistency's say rises.
    """

    ema: Decay = 0.99
    rampup: Share = 0.4
    unlabelled_weight: float = Field(default=10.0, ge=0)


class MeanTeacherOptions(TeacherOptions):
    """Mean Teacher: student and teacher should agree on two views of an image."""

    strategy: Literal["mean_teacher"] = "mean_teacher"


class ICTOptions(TeacherOptions):
    """Interpolation consistency: the student says of a mixture of two images the mixture of what the teacher says.

    Attributes:
        strategy: the name in the pipeline file.
        alpha: shares of the mixture come from Beta(alpha, alpha).
    """

    strategy: Literal["ict"] = "ict"
    alpha: float = Field(default=1.0, gt=0)
