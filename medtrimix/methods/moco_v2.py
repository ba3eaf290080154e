"""MoCo v2: He et al., "Momentum contrast", CVPR 2020, with head and temperature of Chen et al., arXiv 2003.04297."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from medtrimix.losses.info_nce import contrast_with_queue
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.options import MoCoV2Options
from medtrimix.methods.teacher import Teacher
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.projector import build_projector


class MoCoV2(Method):
    """The first view finds the second, embedded by a teacher, among the teacher's embeddings of earlier batches.

    A query normalised with the same images as its key, and with other images than the queue, could tell its key by
    that. So keys are embedded in small groups drawn at random from the batch: the shuffled batch normalisation of
    He et al., section 3.3, where the groups were the GPUs'. Queries share the statistics of the whole batch here.
    """

    queue_QE: Tensor

    def __init__(self, options: MoCoV2Options, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, passes_per_step=1 + 1 / 3)
        self.temperature, self.key_group = options.temperature, options.key_group
        self.projector = build_projector(options.projector, in_dim=encoder.dim)
        self.teacher = Teacher(encoder, self.projector, momentum=options.momentum, constant=True)
        self.register_buffer("queue_QE", normalize(torch.randn(options.queue, options.projector.dim), dim=1))
        self._new_keys: list[Tensor] = []  # of this optimiser step, which may have several batches

    def loss(self, batch: ViewBatch) -> StepLoss:
        """One term, `info_nce`."""
        query_BE = self.projector(self.encoder(batch.view1_BCHW))
        key_BE = self._keys(batch)
        if torch.is_grad_enabled():  # a look at the loss alone leaves no keys
            self._new_keys.append(normalize(key_BE.float(), dim=1))
        contrast = contrast_with_queue(query_BE, key_BE, self.queue_QE, temperature=self.temperature)
        return sum_of({"info_nce": contrast.mean()})

    def after_step(self, progress: float) -> None:
        """The teacher follows, and the keys of the step's batches take the place of the oldest ones."""
        self.teacher.follow(self.encoder, self.projector, progress=progress)
        assert self._new_keys, "a step comes before"
        self.queue_QE.copy_(torch.cat([*reversed(self._new_keys), self.queue_QE])[: len(self.queue_QE)])
        self._new_keys.clear()

    def _keys(self, batch: ViewBatch) -> Tensor:
        """The teacher's embeddings of the second views, without gradient."""
        count = len(batch.view2_BCHW)
        order = np.random.default_rng([batch.seed, batch.step]).permutation(count)
        order_B = torch.as_tensor(order, device=batch.view2_BCHW.device)
        groups = batch.view2_BCHW[order_B].tensor_split(max(1, count // self.key_group))
        return torch.cat([self.teacher(group_GCHW) for group_GCHW in groups])[order_B.argsort()]
