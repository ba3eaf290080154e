"""What a network sees at each step: some of the labelled images, some of those without label, as views."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medtrimix.config.digest import seed_from
from medtrimix.lowlabel.network_options import NetworkOptions
from medtrimix.lowlabel.schedule import batch_positions, batch_size
from medtrimix.lowlabel.semi_options import SemiSupervisedOptions
from medtrimix.lowlabel.task import Rows, Task
from medtrimix.nets.memory import channels_last


class LabelledImages:
    """The label budget's images, and the loss that is asked of them."""

    def __init__(self, task: Task, *, options: NetworkOptions, device: torch.device) -> None:
        self._task = task
        self._batch = batch_size(options, labels=len(task.train.row_N))
        target_NQ = task.train.target_N.reshape(len(task.train.row_N), task.questions)
        self._target_NQ = torch.from_numpy(target_NQ).to(device)
        self._weight_QK = class_weight(task, options=options, device=device)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Views of a step's images, and their classes, (B,); of several findings the answers to all questions."""
        position_B = batch_positions(step, labels=len(self._target_NQ), batch=self._batch, seed=self._task.seed)
        rows_B = self._task.train.row_N[position_B]
        image_BCHW = self._views(rows_B, step=step)
        return image_BCHW, self._target_NQ[torch.from_numpy(position_B).to(self._target_NQ.device)].flatten()

    def _views(self, rows_B: Rows, *, step: int) -> Tensor:
        """A view of each; of an image that is there more than once, another one each time."""
        vision = self._task.vision
        seen: Counter[int] = Counter()
        time_B = np.empty(len(rows_B), dtype=np.int64)
        for place, row in enumerate(rows_B.tolist()):
            time_B[place] = seen[row]
            seen[row] += 1
        if not time_B.any():
            return vision.augment(vision.images(rows_B), step=step, rows_B=rows_B)
        parts, places = [], []
        for view in range(int(time_B.max()) + 1):
            own = np.flatnonzero(time_B == view)
            parts.append(vision.augment(vision.images(rows_B[own]), step=step, rows_B=rows_B[own], view=view))
            places.append(own)
        return channels_last(torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(places)))])

    def loss(self, logit_BK: Tensor, target_B: Tensor) -> Tensor:
        """Cross-entropy in float32, classes weighted as the options say."""
        loss_B = cross_entropy(logit_BK.float(), target_B, reduction="none")
        if self._weight_QK is None:
            return loss_B.mean()
        question_B = torch.arange(len(target_B), device=target_B.device) % len(self._weight_QK)
        weight_B = self._weight_QK[question_B, target_B]
        return (weight_B * loss_B).sum() / weight_B.sum()


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
    """Of each class, or each answer to each question, in the loss of labelled images, (Q, K)."""
    if options.class_weight == "none":
        return None
    weight_QK = len(task.train.row_N) / (task.answers * task.counts())
    return torch.tensor(weight_QK, dtype=torch.float32, device=device)
