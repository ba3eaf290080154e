"""MAE: He et al., "Masked autoencoders are scalable vision learners", CVPR 2022."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from medtrimix.errors import InputError
from medtrimix.losses.masked_patches import masked_patches
from medtrimix.methods.method import Method, StepLoss, ViewBatch, sum_of
from medtrimix.methods.options import MAEOptions
from medtrimix.nets.encoder import Encoder
from medtrimix.nets.sharing import gather, own_rows
from medtrimix.nets.vit import Block, ViT, draw_weights, only_visible, patch_grid, patchify, picked, positions

_HEAD_DIM = 32  # of the decoder, as published


class MAE(Method):
    """The encoder sees a quarter of the patches of one view, a small decoder draws the others.

    One view is used, so images go through the encoder once a step. They are counted as whole images, though the
    encoder's work on a quarter of the patches is about a quarter: with an equal `image_budget` this method computes
    less than the others.
    """

    sees = "first view"

    def __init__(self, options: MAEOptions, *, encoder: Encoder) -> None:
        super().__init__(encoder=encoder, passes_per_step=1)
        if not isinstance(encoder.net, ViT):
            raise InputError(
                f"The method mae leaves out patches, which {encoder.spec.options.name} has not.",
                where="pretrain.encoder",
                fix="Set it to {name: vit}.",
            )
        dim = options.decoder_dim
        self.options = options
        self.entrance = nn.Linear(encoder.dim, dim)
        self.mask_token = nn.Parameter(0.02 * torch.randn(dim))
        blocks = (Block(dim, heads=dim // _HEAD_DIM) for _ in range(options.decoder_depth))
        self.decoder = nn.Sequential(*blocks, nn.LayerNorm(dim), nn.Linear(dim, encoder.net.patch_dim))
        self.entrance.apply(draw_weights)
        self.decoder.apply(draw_weights)

    def loss(self, batch: ViewBatch) -> StepLoss:
        """One term, `mae`."""
        image_BCHW, net = batch.view1_BCHW, self.encoder.net
        grid = patch_grid(image_BCHW.shape[2:], patch=net.patch)
        order_BT = draw_order(
            len(image_BCHW), patches=int(np.prod(grid)), seed=batch.seed, step=batch.step, device=image_BCHW.device
        )
        visible_BV = order_BT[:, : visible_patches(order_BT.shape[1], mask_ratio=self.options.mask_ratio)]
        total = len(image_BCHW)
        with only_visible(net, visible_BV[own_rows(total)]) as last:  # several processes share the encoder's pass
            self.encoder(image_BCHW)
        prediction_BTP = self._decoded(gather(last[0], total=total), order_BT=order_BT, grid=grid)
        masked_BT = torch.ones_like(order_BT, dtype=torch.bool).scatter(1, visible_BV, False)
        patch_BTP = patchify(image_BCHW, patch=net.patch)
        normalised = self.options.targets == "normalised"
        return sum_of({"mae": masked_patches(prediction_BTP, patch_BTP, masked_BT=masked_BT, normalised=normalised)})

    def _decoded(self, token_BVE: Tensor, *, order_BT: Tensor, grid: tuple[int, ...]) -> Tensor:
        """All patches from the tokens of the visible ones, which come first in `order_BT`."""
        seen_BVD = self.entrance(token_BVE)
        batch, patches = order_BT.shape
        hidden_BMD = self.mask_token.expand(batch, patches - seen_BVD.shape[1], -1)
        token_BTD = picked(torch.cat([seen_BVD, hidden_BMD.to(seen_BVD.dtype)], dim=1), order_BT.argsort(dim=1))
        where_TD = positions(grid, dim=token_BTD.shape[2], device=token_BTD.device)
        prediction_BTP: Tensor = self.decoder(token_BTD + where_TD.to(token_BVE.dtype))
        return prediction_BTP


def visible_patches(patches: int, *, mask_ratio: float) -> int:
    """How many patches the encoder sees: rounded down as published, at least one, and never all."""
    return min(patches - 1, max(1, int(patches * (1 - mask_ratio))))


def draw_order(batch_size: int, *, patches: int, seed: int, step: int, device: torch.device | str = "cpu") -> Tensor:
    """A random order of the patches for each image, order_BT, decided by (seed, step) alone."""
    generator = np.random.default_rng([seed, step])
    order_BT = generator.permuted(np.tile(np.arange(patches), (batch_size, 1)), axis=1)
    return torch.as_tensor(order_BT, device=device)
