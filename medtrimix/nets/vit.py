"""A vision transformer (Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021) in 2D and 3D.

Not MONAI's: that one needs a package more (einops), has positions for one image size only, and offers no way to leave
patches out. This one has no class token; an embedding is the mean over patches, which He et al. ("Masked autoencoders
are scalable vision learners", CVPR 2022) found to work as well. Positions are fixed sines and cosines, as there, so any
image size can be fed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from medtrimix.nets.backbone import Backbone
from medtrimix.nets.options import EncoderSpec

_DEPTH, _HEADS, _HEAD_DIM = 12, 12, 64  # ViT-Base
_PATCHES_A_SIDE = {2: 8, 3: 4}
_LARGEST_PATCH = 16


def vit(spec: EncoderSpec) -> Backbone:
    """ViT-Base at width 1, ViT-Small at 0.5, ViT-Tiny at 0.25: heads keep their 64 channels, their number varies."""
    heads = max(1, round(_HEADS * spec.options.width))
    dim = heads * _HEAD_DIM
    net = ViT(channels=spec.channels, patch=patch_size(spec.image_size), dim=dim, heads=heads)
    return Backbone(net, dim=dim, stages=("stages.0", "stages.1", "stages.2", "stages.3"))


def patch_size(image_size: tuple[int, ...]) -> tuple[int, ...]:
    """Pixels of a patch along each axis, for at least 8 patches a side, 4 of volumes; 16 at most, as published.

    28 pixels: 4; 64: 8; 224: 16. 28 voxels: 7; 64: 16. Sides that no patch divides are padded, see `patchify`.
    """
    wanted = _PATCHES_A_SIDE[len(image_size)]
    return tuple(min(_LARGEST_PATCH, math.ceil(side / wanted)) for side in image_size)


def patch_grid(image_size: Sequence[int], *, patch: tuple[int, ...]) -> tuple[int, ...]:
    """Number of patches along each axis."""
    return tuple(math.ceil(side / size) for side, size in zip(image_size, patch, strict=True))


def patchify(image_BCHW: Tensor, *, patch: tuple[int, ...]) -> Tensor:
    """Patches of images (or volumes), row by row: patch_BTP, the pixels of a patch row by row, its channels last.

    At the far end of each axis zeros, the mean of normalised images, fill the last patch.
    """
    batch, channels, *sides = image_BCHW.shape
    grid = patch_grid(sides, patch=patch)
    missing = [(0, g * p - side) for g, p, side in zip(grid, patch, sides, strict=True)]
    image_BCHW = pad(image_BCHW, [end for pair in reversed(missing) for end in pair])
    axes = len(grid)
    parts = image_BCHW.reshape(batch, channels, *(size for pair in zip(grid, patch, strict=True) for size in pair))
    places, pixels = (tuple(range(first, 2 + 2 * axes, 2)) for first in (2, 3))
    return parts.permute(0, *places, *pixels, 1).reshape(batch, math.prod(grid), -1)


def positions(grid: tuple[int, ...], *, dim: int, device: torch.device | str = "cpu") -> Tensor:
    """Where each patch lies, position_TE: for every axis an equal share of sines and cosines, what remains zero.

    Vaswani et al., "Attention is all you need", 2017, section 3.5, for each axis on its own as in He et al. 2022.
    """
    count = dim // (2 * len(grid))
    rate_F = 10_000 ** (-torch.arange(count, device=device, dtype=torch.float32) / count)
    place_TA = torch.cartesian_prod(*(torch.arange(side, device=device, dtype=torch.float32) for side in grid))
    angle_TAF = place_TA[:, :, None] * rate_F
    waves_TE = torch.cat([angle_TAF.sin(), angle_TAF.cos()], dim=2).flatten(1)
    return pad(waves_TE, [0, dim - waves_TE.shape[1]])


class Block(nn.Module):
    """Attention, then two layers for each token, both added to what comes in and normalised before.

    Queries, keys and values have no bias, as in MONAI's: that of the keys would never learn.
    """

    def __init__(self, dim: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, token_BTE: Tensor) -> Tensor:
        """Tokens of the same shape."""
        batch, tokens, dim = token_BTE.shape
        parts = self.qkv(self.norm1(token_BTE)).view(batch, tokens, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        seen_BHTD = scaled_dot_product_attention(query, key, value)
        token_BTE = token_BTE + self.out(seen_BHTD.transpose(1, 2).reshape(batch, tokens, dim))
        added: Tensor = token_BTE + self.mlp(self.norm2(token_BTE))
        return added


class PatchEmbedding(nn.Module):
    """Images (or volumes) -> token_BTE: each patch through one linear layer, plus where it lies."""

    def __init__(self, *, channels: int, patch: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.patch = patch
        self.linear = nn.Linear(channels * math.prod(patch), dim)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Tokens, one for each patch."""
        token_BTE: Tensor = self.linear(patchify(image_BCHW, patch=self.patch))
        grid = patch_grid(image_BCHW.shape[2:], patch=self.patch)
        where_TE = positions(grid, dim=token_BTE.shape[2], device=token_BTE.device)
        return token_BTE + where_TE.to(image_BCHW.dtype)


class ViT(nn.Module):
    """Twelve blocks in four stages.

    Attributes:
        patch: pixels of a patch along each axis.
        patch_dim: numbers in a patch.
    """

    def __init__(self, *, channels: int, patch: tuple[int, ...], dim: int, heads: int) -> None:
        super().__init__()
        self.patch, self.patch_dim = patch, channels * math.prod(patch)
        self.embed = PatchEmbedding(channels=channels, patch=patch, dim=dim)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(dim, heads=heads) for _ in range(_DEPTH // 4))) for _ in range(4)
        )
        self.norm = nn.LayerNorm(dim)
        self.apply(draw_weights)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Embeddings, the mean over all tokens."""
        token_BTE = self.embed(image_BCHW)
        for stage in self.stages:
            token_BTE = stage(token_BTE)
        embedding_BE: Tensor = self.norm(token_BTE).mean(dim=1)
        return embedding_BE


def draw_weights(layer: nn.Module) -> None:
    """First weights of a linear layer: Glorot's uniform ones, as in He et al. 2022; biases are zero."""
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def picked(token_BTE: Tensor, place_BV: Tensor) -> Tensor:
    """The tokens at these places, (B, V, E)."""
    return token_BTE.gather(1, place_BV[:, :, None].expand(-1, -1, token_BTE.shape[2]))


@contextmanager
def only_visible(net: ViT, place_BV: Tensor) -> Iterator[list[Tensor]]:
    """Within the block, passes see no patches but those at these places; the list gets each pass's last tokens_BVE."""
    last: list[Tensor] = []
    hooks = (
        net.embed.register_forward_hook(lambda _module, _given, token_BTE: picked(token_BTE, place_BV)),
        net.norm.register_forward_hook(lambda _module, _given, token_BVE: last.append(token_BVE)),
    )
    try:
        yield last
    finally:
        for hook in hooks:
            hook.remove()
