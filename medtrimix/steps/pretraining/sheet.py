"""What a method saw of a few images, for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from medtrimix.config.files import replacing
from medtrimix.methods.method import Method
from medtrimix.steps.pretraining.batches import Batches

_IMAGES = 6


def save_views(method: Method, batches: Batches, *, rows_N: npt.NDArray[np.int64], file: Path) -> None:
    """What the method sees of the first few images, back in grey values."""
    rows_B = rows_N[:: max(1, len(rows_N) // _IMAGES)][:_IMAGES]
    image_BCHW = batches.images(rows_B)
    batch = batches.views(image_BCHW, step=0, rows_B=rows_B)
    shown = {"view1_BCHW": batch.view1_BCHW, "view2_BCHW": batch.view2_BCHW}
    arrays = {"original_BCHW": image_BCHW.cpu().numpy()}
    mixtures = [mixed for step in range(50) if (mixed := method.mixtures(batch._replace(step=step)))]
    if mixtures:
        # Of the first steps, the one whose mixture a person can see best: at .95 it looks like no mixture at all.
        virtual_BCHW, share_B = min(mixtures, key=lambda mixed: abs(float(mixed[1].mean()) - 0.65))
        shown["virtual_BCHW"] = virtual_BCHW
        arrays["lambda_B"] = share_B.cpu().numpy().astype(np.float64)
    arrays |= {name: batches.as_pixels(view) for name, view in shown.items()}
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, **{name: _picture(array) for name, array in arrays.items()})  # type: ignore[arg-type]


def _picture(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Images (B, C, H, W) that can be shown: the middle slice of volumes, the first of channels that are no colours."""
    if array.ndim == 5:
        array = array[:, :, array.shape[2] // 2]
    return array[:, :1] if array.ndim == 4 and array.shape[1] not in (1, 3) else array
