"""A toy problem that every learner can solve: bright squares against dark ones, in noise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from medtrimix.lowlabel.task import Hooks, Labelled, Rows, Task, Vision

SIZE = 12
DIM = 8


class TinyEncoder(nn.Module):
    """Two convolutions with batch normalisation: enough to have all that a real encoder has."""

    def __init__(self) -> None:
        super().__init__()
        self.dim = DIM
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, DIM, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, image_BCHW: Tensor) -> Tensor:
        embedding_BE: Tensor = self.net(image_BCHW)
        return embedding_BE


def toy_images(*, n: int, classes: int, seed: int = 0) -> tuple[Tensor, Rows]:
    """Images (N, 1, 12, 12) of noise whose central square is the brighter the higher the class, and their classes."""
    rng = np.random.default_rng(seed)
    target_N = np.arange(n) % classes
    grey_NHW = rng.normal(80, 10, (n, SIZE, SIZE))
    grey_NHW[:, 3:9, 3:9] += 100 * target_N[:, None, None] / (classes - 1)
    return torch.from_numpy(grey_NHW.clip(0, 255).astype(np.uint8))[:, None], target_N.astype(np.int64)


def normalise(image_BCHW: Tensor) -> Tensor:
    return image_BCHW.float() / 64 - 1.5


def augment(image_BCHW: Tensor, *, step: int, rows_B: Rows, view: int = 0) -> Tensor:
    """A brightness that depends on step, row and view alone."""
    shift_B = torch.from_numpy(((31 * step + 17 * rows_B + 3 * view) % 7 - 3) / 50).float()
    return normalise(image_BCHW) + shift_B[:, None, None, None]


def strong(image_BCHW: Tensor, *, step: int, rows_B: Rows, view: int = 0) -> Tensor:
    """A stronger brightness, and a column without content."""
    view_BCHW = 3 * augment(image_BCHW, step=step, rows_B=rows_B, view=view) - 2 * normalise(image_BCHW)
    view_BCHW[..., step % SIZE] = 0
    return view_BCHW


def toy_task(
    *,
    classes: int = 2,
    labels: int = 24,
    unlabelled: int = 60,
    seed: int = 0,
    encoder: Callable[[], nn.Module] = TinyEncoder,
    pretrained: bool = False,
) -> Task:
    """`labels` training rows, 40 validation rows, 40 test rows (`held_out`), then training rows without label."""
    image_NCHW, target_N = toy_images(n=labels + 80 + unlabelled, classes=classes)
    train, val = np.arange(labels), np.arange(labels, labels + 40)
    return Task(
        classes=classes,
        train=Labelled(train, target_N[train]),
        unlabelled_N=np.arange(labels + 80, labels + 80 + unlabelled),
        val=Labelled(val, target_N[val]),
        seed=seed,
        features=lambda rows: image_NCHW[rows].numpy().reshape(len(rows), -1).astype(np.float32),
        vision=Vision(
            images=lambda rows: image_NCHW[rows],
            augment=augment,
            strong=strong,
            normalise=normalise,
            encoder=encoder,
            pretrained=pretrained,
            autocast=nullcontext,
        ),
    )


def toy_findings(
    *, labels: int = 24, unlabelled: int = 60, encoder: Callable[[], nn.Module] = TinyEncoder, pretrained: bool = False
) -> Task:
    """As `toy_task`, with two findings: a bright square, and stripes; an image has none, either or both."""
    n = labels + 80 + unlabelled
    rng = np.random.default_rng(1)
    target_NL = np.stack([np.arange(n) % 2, np.arange(n) // 2 % 2], axis=1).astype(np.int64)
    grey_NHW = rng.normal(80, 10, (n, SIZE, SIZE))
    grey_NHW[:, 3:9, 3:9] += 100 * target_NL[:, 0, None, None]
    grey_NHW[:, ::2] += 40 * target_NL[:, 1, None, None]
    grey_NHW[:, 1::2] -= 40 * target_NL[:, 1, None, None]
    image_NCHW = torch.from_numpy(grey_NHW.clip(0, 255).astype(np.uint8))[:, None]
    one = toy_task(labels=labels, unlabelled=unlabelled, encoder=encoder, pretrained=pretrained)
    return replace(
        one,
        train=Labelled(one.train.row_N, target_NL[one.train.row_N]),
        val=Labelled(one.val.row_N, target_NL[one.val.row_N]),
        features=lambda rows: image_NCHW[rows].numpy().reshape(len(rows), -1).astype(np.float32),
        vision=replace(one.vision, images=lambda rows: image_NCHW[rows]),
        several=True,
    )


def held_out_findings(task: Task) -> tuple[Rows, Rows]:
    """Rows that no learner has seen, and their findings."""
    rows = np.arange(int(task.val.row_N[-1]) + 1, int(task.val.row_N[-1]) + 41)
    return rows, np.stack([rows % 2, rows // 2 % 2], axis=1)


def held_out(task: Task) -> tuple[Rows, Rows]:
    """Rows that no learner has seen, and their classes."""
    first = int(task.val.row_N[-1]) + 1
    _, target_N = toy_images(n=first + 40, classes=task.classes)
    rows = np.arange(first, first + 40)
    return rows, target_N[rows]


def quiet(*, should_stop: Callable[[], bool] = lambda: False) -> Hooks:
    """Hooks that nobody listens to."""
    return Hooks(should_stop=should_stop, record=lambda *_: None)
