"""Finetuning: the whole network learns from the labelled images."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medtrimix.config.digest import seed_from
from medtrimix.errors import Interrupted, NumericalError
from medtrimix.lowlabel.options import FinetuneOptions
from medtrimix.lowlabel.schedule import batch_positions, batch_size, curve_steps, planned_steps
from medtrimix.lowlabel.task import Hooks, Labelled, Rows, Task, Vision, require_every_class
from medtrimix.metrics.evaluate import evaluate
from medtrimix.schedule import warmup_cosine


class Classifier(nn.Module):
    """An encoder and a linear head: image_BCHW (or image_BCDHW), float -> logit_BK."""

    def __init__(self, encoder: nn.Module, *, dim: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(dim, classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Logits, float32 or the precision of the surrounding autocast, shape (B, K)."""
        logit_BK: Tensor = self.head(self.encoder(image_BCHW))
        return logit_BK


def finetune(task: Task, *, options: FinetuneOptions, hooks: Hooks) -> Classifier:
    """The trained classifier, in evaluation mode, after exactly `planned_steps` steps of AdamW.

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
        classifier = Classifier(encoder, dim=_dim(encoder), classes=task.classes).to(device)
        _train(classifier, task=task, options=options, hooks=hooks)
    return classifier.eval()


def predict(classifier: Classifier, rows: Rows, *, vision: Vision) -> npt.NDArray[np.float64]:
    """Probabilities of the images as they are, in evaluation mode: float64, shape (N, K), in the order of `rows`."""
    training = classifier.training
    classifier.eval()
    parts, batch = [], vision.images_at_a_time
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            image_BCHW = vision.normalise(vision.images(rows[start : start + batch]))
            with vision.autocast():
                logit_BK = classifier(image_BCHW)
            parts.append(logit_BK.double().softmax(dim=1).cpu().numpy())
    classifier.train(training)
    return np.concatenate(parts)


def _train(classifier: Classifier, *, task: Task, options: FinetuneOptions, hooks: Hooks) -> None:
    vision, labels = task.vision, len(task.train.row_N)
    steps, batch = planned_steps(options, labels=labels), batch_size(options, labels=labels)
    points = curve_steps(options, steps=steps)
    device = next(classifier.parameters()).device
    target_N = torch.from_numpy(task.train.target_N).to(device)
    criterion = nn.CrossEntropyLoss(weight=_class_weight(task, options=options, device=device))
    optimiser = torch.optim.AdamW(
        [
            {"params": classifier.encoder.parameters(), "lr": _encoder_lr(vision, options=options)},
            {"params": classifier.head.parameters(), "lr": options.head_lr},
        ],
        weight_decay=options.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, partial(warmup_cosine, total_steps=steps, warmup_steps=math.ceil(options.warmup * steps))
    )
    losses = []
    classifier.train()
    for step in range(steps):
        if hooks.should_stop():
            raise Interrupted(f"Finetuning was stopped at step {step} of {steps}.")
        position_B = batch_positions(step, labels=labels, batch=batch, seed=task.seed)
        rows_B = task.train.row_N[position_B]
        image_BCHW = vision.augment(vision.images(rows_B), step=step, rows_B=rows_B)
        with vision.autocast():
            logit_BK = classifier(image_BCHW)
        loss = criterion(logit_BK.float(), target_N[torch.from_numpy(position_B).to(device)])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
        if step + 1 in points:
            train_loss = float(torch.stack(losses).mean())
            if not np.isfinite(train_loss):
                raise NumericalError(f"The finetuning loss is not finite at step {step + 1} of {steps}.")
            hooks.record(step + 1, {"train_loss": train_loss, **_validation(classifier, val=task.val, vision=vision)})
            losses.clear()


def _validation(classifier: Classifier, *, val: Labelled, vision: Vision) -> dict[str, float]:
    metrics = evaluate(predict(classifier, val.row_N, vision=vision), val.target_N)
    return {
        "val_auc": metrics["auc"],
        "val_balanced_accuracy": metrics["balanced_accuracy"],
        "val_brier": metrics["brier"],
    }


def _encoder_lr(vision: Vision, *, options: FinetuneOptions) -> float:
    return options.encoder_lr if vision.pretrained else options.scratch_lr


def _class_weight(task: Task, *, options: FinetuneOptions, device: torch.device) -> Tensor | None:
    if options.class_weight == "none":
        return None
    count_K = np.bincount(task.train.target_N, minlength=task.classes)
    return torch.tensor(len(task.train.target_N) / (task.classes * count_K), dtype=torch.float32, device=device)


def _dim(encoder: nn.Module) -> int:
    dim = encoder.dim
    assert isinstance(dim, int), "an encoder says how long its embeddings are"
    return dim
