"""The network that learners train: an encoder with a linear head."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from medtrimix.lowlabel.task import Rows, Task


class Classifier(nn.Module):
    """An encoder and a linear head: image_BCHW (or image_BCDHW), float -> logit_BK.

    With several questions of an image (`Task.questions`) B counts the questions of all images, those of an image one
    after the other: whatever is done with logits of classes can be done with those of findings.
    """

    def __init__(self, encoder: nn.Module, *, dim: int, answers: int, questions: int = 1) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(dim, questions * answers)
        self._answers = answers
        self._fixed: list[nn.Module] = []

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Logits, float32 or the precision of the surrounding autocast, shape (B, K)."""
        logit_BK: Tensor = self.head(self.encoder(image_BCHW)).reshape(-1, self._answers)
        return logit_BK

    def fix_statistics(self) -> None:
        """From now on, layers whose weights are not trained normalise with their running statistics at all times."""
        layers = (layer for layer in self.modules() if isinstance(layer, _BatchNorm))
        self._fixed = [layer for layer in layers if layer.weight is not None and not layer.weight.requires_grad]
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As torch's, but for the layers of `fix_statistics`."""
        super().train(mode)
        for layer in self._fixed:
            layer.eval()
        return self


def predict(classifier: Classifier, rows: Rows, *, task: Task) -> npt.NDArray[np.float64]:
    """Probabilities of the images as they are, in evaluation mode: float64, (N, classes), in the order of `rows`."""
    vision = task.vision
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
    probability_NK = np.concatenate(parts)
    return probability_NK[:, 1].reshape(len(rows), task.questions) if task.several else probability_NK


def embedding_dim(encoder: nn.Module) -> int:
    """Length of its embeddings."""
    dim = encoder.dim
    assert isinstance(dim, int), "an encoder says how long its embeddings are"
    return dim
