"""The loop in which every network learns from few labels, whatever its loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from medtrimix.config.digest import seed_from
from medtrimix.errors import Interrupted, NumericalError
from medtrimix.lowlabel.classifier import Classifier, embedding_dim, predict
from medtrimix.lowlabel.network_options import EarlyStopping, NetworkOptions
from medtrimix.lowlabel.schedule import curve_steps, planned_steps
from medtrimix.lowlabel.stages import merge_updates, parameter_groups, prepare
from medtrimix.lowlabel.task import Hooks, Labelled, Task, Vision, require_every_class
from medtrimix.metrics.evaluate import evaluate
from medtrimix.schedule import warmup_cosine

_SMALLEST = 1e-12
"""Probability below which val's cross-entropy doesn't look: one image must not decide it."""


class StepLoss(NamedTuple):
    """The loss of a step, shape (), and what the curves show besides, each of shape ()."""

    total: Tensor
    shown: Mapping[str, Tensor]


class Objective(Protocol):
    """What a learner makes of a classifier at each step."""

    @property
    def predictor(self) -> Classifier:
        """What predicts, now and in the end: the classifier itself, or an average of it."""

    def loss(self, step: int, *, progress: float) -> StepLoss:
        """The loss of one step; `progress` of the training is 0 to below 1."""

    def after_step(self, step: int) -> None:
        """What follows the optimiser's step."""


def train_network(
    task: Task, *, options: NetworkOptions, hooks: Hooks, objective: Callable[[Classifier], Objective]
) -> Classifier:
    """The trained predictor, in evaluation mode, after exactly `planned_steps` steps of AdamW.

    All learners start with the same head, and see the labelled images in the same order: they are paired.

    Args:
        task: to learn.
        options: of length, learning rates and what is trained.
        hooks: to talk to.
        objective: makes what is minimised of the untrained classifier.

    Raises:
        InputError: a class has no label.
        Interrupted: `hooks.should_stop` said so.
        NumericalError: the loss became NaN or infinite.
    """
    require_every_class(task.train.target_N, classes=task.classes)
    # Dropout and the head draw from torch's own generator: seed it for us, and give the caller's state back.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed_from("finetune", task.seed))
        encoder = task.vision.encoder()
        device = next(encoder.parameters()).device
        classifier = Classifier(encoder, dim=embedding_dim(encoder), classes=task.classes).to(device)
        prepare(classifier, options=options)
        classifier.train()
        minimised = objective(classifier)
        _train(classifier, minimised, task=task, options=options, hooks=hooks)
    predictor = minimised.predictor
    merge_updates(predictor)
    return predictor.eval()


def _train(classifier: Classifier, objective: Objective, *, task: Task, options: NetworkOptions, hooks: Hooks) -> None:
    steps = planned_steps(options, labels=len(task.train.row_N))
    points = curve_steps(options, steps=steps)
    optimiser = torch.optim.AdamW(
        parameter_groups(classifier, options=options, pretrained=task.vision.pretrained),
        weight_decay=options.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, partial(warmup_cosine, total_steps=steps, warmup_steps=math.ceil(options.warmup * steps))
    )
    best = _Best(options.early_stopping)
    shown: list[dict[str, Tensor]] = []
    for step in range(steps):
        if hooks.should_stop():
            raise Interrupted(f"The training of a classifier was stopped at step {step} of {steps}.")
        loss = objective.loss(step, progress=step / steps)
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        objective.after_step(step)
        shown.append({"train_loss": loss.total.detach(), **loss.shown})
        if step + 1 in points:
            means = {name: float(torch.stack([values[name] for values in shown]).mean()) for name in shown[0]}
            if not np.isfinite(means["train_loss"]):
                raise NumericalError(f"The classifier's loss is not finite at step {step + 1} of {steps}.")
            found = _validation(objective.predictor, val=task.val, vision=task.vision)
            best.see(step + 1, found, predictor=objective.predictor)
            chosen = {"chosen_step": float(best.step)} if best.step and step + 1 == steps else {}
            hooks.record(step + 1, {**means, **found, **chosen})
            shown.clear()
    best.restore(objective.predictor)


class _Best:
    """The best of the curve's points, the first of equals, kept in memory; without early stopping nothing."""

    def __init__(self, by: EarlyStopping) -> None:
        self.step = 0
        self._by, self._score = by, -math.inf
        self._state: dict[str, Any] = {}

    def see(self, step: int, found: Mapping[str, float], *, predictor: Classifier) -> None:
        if self._by == "none":
            return
        score = found["val_auc"] if self._by == "val_auc" else -found["val_loss"]
        if score > self._score:
            self.step, self._score, self._state = step, score, deepcopy(predictor.state_dict())

    def restore(self, predictor: Classifier) -> None:
        if self._state:
            predictor.load_state_dict(self._state)


def _validation(classifier: Classifier, *, val: Labelled, vision: Vision) -> dict[str, float]:
    probability_NK = predict(classifier, val.row_N, vision=vision)
    metrics = evaluate(probability_NK, val.target_N)
    true_N = probability_NK[np.arange(len(val.target_N)), val.target_N]
    return {
        "val_loss": float(-np.log(true_N.clip(_SMALLEST)).mean()),
        "val_auc": metrics["auc"],
        "val_balanced_accuracy": metrics["balanced_accuracy"],
        "val_brier": metrics["brier"],
    }
