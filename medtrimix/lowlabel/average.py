"""The moving average of a classifier's weights, which predicts better than the weights of any one step."""

from __future__ import annotations

from copy import deepcopy

import torch

from medtrimix.lowlabel.classifier import Classifier


class Average:
    """A copy of a classifier that follows it.

    At step t (from 0) it keeps min(decay, 1 - 1 / (t + 1)) of itself, as in the code of Tarvainen and Valpola ("Mean
    teachers are better role models", NeurIPS 2017): the mean of all steps at first, so that random first weights are
    forgotten at once.

    Attributes:
        network: the copy; it gets no gradient.
    """

    def __init__(self, classifier: Classifier, *, decay: float) -> None:
        self.network = deepcopy(classifier).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def follow(self, classifier: Classifier, *, step: int) -> None:
        """One step towards the classifier's weights; running statistics are not touched."""
        moved = 1 - min(self._decay, 1 - 1 / (step + 1))
        torch._foreach_lerp_(
            list(self.network.parameters()), [weight.detach() for weight in classifier.parameters()], moved
        )

    @torch.no_grad()
    def follow_statistics(self, classifier: Classifier, *, step: int) -> None:
        """The same for running statistics, where the average makes no passes of its own."""
        moved = 1 - min(self._decay, 1 - 1 / (step + 1))
        for mine, theirs in zip(self.network.buffers(), classifier.buffers(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, moved)
            else:
                mine.copy_(theirs)
