"""What a pretraining sees at each step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from medtrimix.augment.views import Augmenter, as_pixels
from medtrimix.data.store import ArrayStore
from medtrimix.methods.method import ViewBatch
from medtrimix.nets.memory import channels_last
from medtrimix.nets.sharing import gather, own_rows
from medtrimix.training.order import StepOrder


class Batches:
    """Two augmented views of the images of a batch, a pure function of its number, 0 to `total`.

    Several processes make the views of some images each, and all get all of them.
    """

    def __init__(
        self, store: ArrayStore, *, order: StepOrder, augmenter: Augmenter, total: int, device: torch.device
    ) -> None:
        self._store, self._order, self._augmenter = store, order, augmenter
        self._total, self._device = total, device

    def at(self, number: int) -> ViewBatch:
        """The batch of a number."""
        rows_B = self._order.rows(number)
        own_B = rows_B[own_rows(len(rows_B))]
        own = self.views(self.images(own_B), step=number, rows_B=own_B)
        view1_BCHW, view2_BCHW = (gather(view, total=len(rows_B)) for view in (own.view1_BCHW, own.view2_BCHW))
        return own._replace(view1_BCHW=view1_BCHW, view2_BCHW=view2_BCHW)

    def images(self, rows_B: npt.NDArray[np.int64]) -> torch.Tensor:
        """Stored images, uint8, on the device."""
        return channels_last(torch.from_numpy(self._store.images(rows_B)).to(self._device))

    def as_pixels(self, view_BCHW: torch.Tensor) -> npt.NDArray[np.uint8]:
        """A normalised view as a picture, uint8."""
        return as_pixels(view_BCHW, normalisation=self._augmenter.normalisation)

    def views(self, image_BCHW: torch.Tensor, *, step: int, rows_B: npt.NDArray[np.int64]) -> ViewBatch:
        """Two views of these images."""
        epoch = self._order.epoch(step)
        view1_BCHW, view2_BCHW = self._augmenter.views(image_BCHW, epoch=epoch, rows_B=rows_B, views=(1, 2))
        progress = step / self._total
        return ViewBatch(view1_BCHW, view2_BCHW, progress=progress, seed=self._augmenter.seed, step=step)
