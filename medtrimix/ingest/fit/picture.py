"""Pictures of any size to the one size of the store.

Pillow's BILINEAR: when it makes a picture smaller it averages over all pixels below (antialiased, unlike the function
of the same name elsewhere), and it never overshoots at edges, which LANCZOS does around metal and markers.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Fit = Literal["pad", "crop", "stretch"]


def with_channels(picture: npt.NDArray[np.uint8], *, channels: Literal["grey", "rgb"]) -> Image.Image:
    """An `(H, W)` or `(H, W, 3)` picture as Pillow image "L" (ITU-R 601 luminance) or "RGB"."""
    return Image.fromarray(picture).convert("L" if channels == "grey" else "RGB")


def fitted(image: Image.Image, *, size: tuple[int, int], fit: Fit) -> tuple[npt.NDArray[np.uint8], tuple[float, float]]:
    """`(C, H, W)` at `size` = (rows, columns), and by how much rows and columns were scaled."""
    rows, columns = size
    down, along = rows / image.height, columns / image.width
    if fit == "stretch":
        result = image.resize((columns, rows), Image.Resampling.BILINEAR)
    elif fit == "crop":
        down = along = max(down, along)
        left, top = (image.width - columns / along) / 2, (image.height - rows / down) / 2
        box = (
            max(0.0, left),
            max(0.0, top),
            min(image.width, image.width - left),
            min(image.height, image.height - top),
        )
        result = image.resize((columns, rows), Image.Resampling.BILINEAR, box=box)
    else:
        scale = min(down, along)
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        down, along = inner[1] / image.height, inner[0] / image.width
        result = Image.new(image.mode, (columns, rows))
        offset = (columns - inner[0]) // 2, (rows - inner[1]) // 2
        result.paste(image.resize(inner, Image.Resampling.BILINEAR), offset)
    array = np.asarray(result)
    return np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1)), (down, along)
