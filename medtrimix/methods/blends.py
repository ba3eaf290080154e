"""Virtual images of two that are no average: each pixel, or each frequency, is one's or the other's.

They are for one share per batch and two originals.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medtrimix.methods.mixing import Mixing


def cutmix(view_BCHW: Tensor, *, mixing: Mixing, seed: int, step: int) -> tuple[Tensor, Mixing]:
    """A box of the partner pasted into each image, at a place of its own; and the mixing with the share that remained.

    Yun et al., "CutMix", ICCV 2019, section 3.1: the box has the proportions of the image and the area (or volume)
    1 - share, here rounded to whole pixels and always inside the image.
    """
    sizes = view_BCHW.shape[2:]
    side = (1 - float(mixing.share[0])) ** (1 / len(sizes))
    box = [round(side * size) for size in sizes]
    generator = np.random.default_rng([seed, step, 1])
    inside = torch.ones(len(view_BCHW), 1, *[1] * len(sizes), dtype=torch.bool, device=view_BCHW.device)
    for axis, (size, length) in enumerate(zip(sizes, box, strict=True)):
        start_B = generator.integers(size - length + 1, size=len(view_BCHW))
        place_BS = np.arange(size) - start_B[:, None]
        shape = [len(view_BCHW), 1, *(size if other == axis else 1 for other in range(len(sizes)))]
        within = torch.as_tensor((place_BS >= 0) & (place_BS < length), device=view_BCHW.device)
        inside = inside & within.view(shape)
    pasted = float(np.prod(box) / np.prod(sizes))
    share = mixing.share.new_tensor([1 - pasted, pasted])
    return torch.where(inside, view_BCHW[mixing.row_KB[1]], view_BCHW), Mixing(share=share, row_KB=mixing.row_KB)


def mix_frequencies(view_BCHW: Tensor, *, mixing: Mixing, seed: int, step: int) -> Tensor:
    """Each spatial frequency, and its mirror image, is the image's own with the probability of its share.

    The mean grey value (frequency 0) is mixed linearly: drawn like the others it would decide half of all by itself.
    Computed in float32 at least, since there is no Fourier transform of bfloat16.
    """
    given, view_BCHW = view_BCHW.dtype, view_BCHW.to(torch.promote_types(view_BCHW.dtype, torch.float32))
    sizes = view_BCHW.shape[2:]
    axes = tuple(range(2, view_BCHW.ndim))
    generator = np.random.default_rng([seed, step, 2])
    noise = torch.as_tensor(generator.random(sizes), device=view_BCHW.device)
    mirrored = noise.flip(tuple(range(len(sizes)))).roll((1,) * len(sizes), dims=tuple(range(len(sizes))))
    own = (torch.minimum(noise, mirrored) < 1 - (1 - float(mixing.share[0])) ** 0.5).to(view_BCHW.dtype)
    own.view(-1)[0] = mixing.share[0]
    partner_BCHW = view_BCHW[mixing.row_KB[1]]
    spectrum = torch.fft.fftn(view_BCHW - partner_BCHW, dim=axes)
    mixed_BCHW: Tensor = torch.fft.ifftn(own * spectrum, dim=axes).real + partner_BCHW
    return mixed_BCHW.to(given)
