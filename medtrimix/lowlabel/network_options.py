"""What all learners that train the network have in common; imports no torch."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from medtrimix.config.model import Config

ClassWeight: TypeAlias = Literal["none", "balanced"]
"""`balanced`: every class has the same say in the loss of the labelled images, whatever its number of labels."""
Trained: TypeAlias = Literal["full", "last_block", "head"]
EarlyStopping: TypeAlias = Literal["none", "val_loss", "val_auc"]


class NetworkOptions(Config):
    """Training of an encoder with a linear head, for a number of steps that is fixed beforehand.

    Attributes:
        epochs: passes over the labelled images, within `min_steps` and `max_steps`.
        min_steps: optimiser steps at least, however few the labels.
        max_steps: optimiser steps at most, however many the labels.
        batch_size: labelled images a step at most.
        min_batches_per_epoch: with few labels the batch shrinks to keep so many steps in a pass over them; 0: it never
            does, and an image comes several times in a batch, as another view each time.
        encoder_lr: peak learning rate of a pretrained encoder; chosen on val (benchmarks/results/rates.md).
        scratch_lr: peak learning rate of an encoder with random weights, and of low-rank updates.
        head_lr: peak learning rate of the classifier's last layer.
        weight_decay: of AdamW.
        warmup: share of the steps in which the learning rate rises; then it falls along a half cosine to zero.
        class_weight: see `ClassWeight`.
        train: `full` network; `last_block`, the last of the encoder's four stages and the head; or the `head` alone.
            What is not trained keeps its running statistics too.
        low_rank: rank of the updates that the encoder's convolutions and linear layers get in place of new weights; 0
            trains the weights themselves.
        layer_decay: factor on the learning rate from each of the encoder's four stages to the one before it.
        curve_points: how often training loss and validation metrics are recorded.
        early_stopping: the network of which of these points is kept: `none`, the last; `val_loss`, `val_auc`, the best.
    """

    epochs: int = Field(default=8, ge=1)
    min_steps: int = Field(default=160, ge=1)
    max_steps: int = Field(default=2000, ge=1)
    batch_size: int = Field(default=64, ge=2)
    min_batches_per_epoch: int = Field(default=3, ge=0)
    encoder_lr: float = Field(default=1e-3, gt=0)
    scratch_lr: float = Field(default=1e-3, gt=0)
    head_lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    class_weight: ClassWeight = "none"
    train: Trained = "full"
    low_rank: int = Field(default=0, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    curve_points: int = Field(default=5, ge=1)
    early_stopping: EarlyStopping = "none"

    @model_validator(mode="after")
    def _minimum_below_maximum(self) -> Self:
        if self.min_steps > self.max_steps:
            raise ValueError(f"min_steps {self.min_steps} is above max_steps {self.max_steps}")
        return self

    @model_validator(mode="after")
    def _low_rank_of_everything(self) -> Self:
        if self.low_rank and self.train != "full":
            raise ValueError(f"low_rank updates the whole encoder; it does not go with train: {self.train}")
        return self
