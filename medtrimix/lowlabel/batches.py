"""What a network sees at each step: some of the labelled images, some of those without label, as views."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from medtrimix.config.digest import seed_from
from medtrimix.lowlabel.network_options import NetworkOptions
from medtrimix.lowlabel.schedule import batch_positions, batch_size
from medtrimix.lowlabel.semi_options import SemiSupervisedOptions
from medtrimix.lowlabel.task import Rows, Task


class LabelledImages:
    """The label budget's images, and the loss that is asked of them."""

    def __init__(self, task: Task, *, options: NetworkOptions, device: torch.device) -> None:
        self._task = task
        self._batch = batch_size(options, labels=len(task.train.row_N))
        self._target_N = torch.from_numpy(task.train.target_N).to(device)
        weight_K = class_weight(task, options=options, device=device)
        self._criterion = nn.CrossEntropyLoss(weight=weight_K)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Views of a step's images, and their classes (B,)."""
        position_B = batch_positions(step, labels=len(self._target_N), batch=self._batch, seed=self._task.seed)
        rows_B = self._task.train.row_N[position_B]
        vision = self._task.vision
        image_BCHW = vision.augment(vision.images(rows_B), step=step, rows_B=rows_B)
        return image_BCHW, self._target_N[torch.from_numpy(position_B).to(self._target_N.device)]

    def loss(self, logit_BK: Tensor, target_B: Tensor) -> Tensor:
        """Cross-entropy in float32, classes weighted as the options say."""
        loss: Tensor = self._criterion(logit_BK.float(), target_B)
        return loss


class UnlabelledImages:
    """Images whose labels, if they have any, nobody sees: the rest of train; where nothing is left, train itself."""

    def __init__(self, task: Task, *, options: SemiSupervisedOptions) -> None:
        self._vision = task.vision
        self._row_N = task.unlabelled_N if len(task.unlabelled_N) else task.train.row_N
        self._batch, self._seed = options.unlabelled_batch, seed_from("unlabelled", task.seed)

    def __len__(self) -> int:
        return len(self._row_N)

    def positions(self, step: int) -> Rows:
        """Which of them are in the batch of a step, 0 to len - 1."""
        return batch_positions(step, labels=len(self), batch=self._batch, seed=self._seed)

    def weak(self, step: int, *, view: int = 0) -> Tensor:
        """Weak views of a step's images: number `view` of each."""
        rows_B = self._row_N[self.positions(step)]
        return self._vision.augment(self._vision.images(rows_B), step=step, rows_B=rows_B, view=view)

    def strong(self, step: int) -> Tensor:
        """Strong views of the same images."""
        rows_B = self._row_N[self.positions(step)]
        return self._vision.strong(self._vision.images(rows_B), step=step, rows_B=rows_B)


def class_weight(task: Task, *, options: NetworkOptions, device: torch.device) -> Tensor | None:
    """Of each class in the loss of labelled images, (K,)."""
    if options.class_weight == "none":
        return None
    count_K = np.bincount(task.train.target_N, minlength=task.classes)
    return torch.tensor(len(task.train.target_N) / (task.classes * count_K), dtype=torch.float32, device=device)
