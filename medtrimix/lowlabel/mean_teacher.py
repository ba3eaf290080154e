"""Mean Teacher: a moving average of the network teaches it what to say about images without label.

Tarvainen and Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve
semi-supervised deep learning results", NeurIPS 2017.

Batch normalisation: the teacher normalises with its own batch, which is all of unlabelled images, and its running
statistics, with which it predicts in the end, are those of its own passes. The student's passes hold labelled images as
well; its running statistics are never used.
"""

from __future__ import annotations

import torch

from medtrimix.lowlabel.loop import StepLoss
from medtrimix.lowlabel.teacher import Taught


class MeanTeacher(Taught):
    """Cross-entropy of the labelled images plus a rising weight times the distance of student and teacher.

    Section 2; the two see different weak views of an image.
    """

    def loss(self, step: int, *, progress: float) -> StepLoss:
        """Of a step's labelled and unlabelled images."""
        image_BCHW, target_B = self._labelled.at(step)
        with torch.no_grad(), self._vision.autocast():
            taught_BK = self.predictor(self._unlabelled.weak(step)).float().softmax(dim=1)
        together_BCHW = torch.cat([image_BCHW, self._unlabelled.weak(step, view=1)])
        with self._vision.autocast():
            logit_BK = self._student(together_BCHW)
        return self._loss(logit_BK, target_B, taught_BK=taught_BK, progress=progress)
