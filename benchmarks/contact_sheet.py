"""What a network sees: originals, two views and their mixture, for each preset, of synthetic patients.

    python benchmarks/contact_sheet.py

Writes docs/figures/views_presets.png. Radiographs stand in for ultrasound and photos, CT for MRI: the phantom makes no
others. Volumes are augmented as volumes; their middle slice is shown.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from medtrimix.augment.measure import measure_normalisation
from medtrimix.augment.options import AugmentOptions, Preset
from medtrimix.augment.views import Augmenter, as_pixels
from medtrimix.methods.mixing import draw_mixing, mix
from medtrimix.phantom.cohort import appointments
from medtrimix.phantom.ct import scan_chest
from medtrimix.phantom.ct_cohort import scans
from medtrimix.phantom.options import CTOptions, PhantomOptions
from medtrimix.phantom.radiograph import radiograph

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "views_presets.png"
SEED = 5
COUNT = 3
_SIDE = {2: 96, 3: 64}
_WINDOW_HU = (-1000.0, 400.0)
_SEEN = ("original", "view 1", "view 2", "virtual")
_VOLUMES = ("ct", "mri")


def main() -> None:
    """Draws the sheet."""
    images, volumes = radiographs(), chests()
    presets = [preset for preset in get_args(Preset) if preset not in ("light", "none")]
    figure = Figure(figsize=(2.2 * len(presets), 3.2), layout="constrained")
    for panel, preset in zip(figure.subplots(1, len(presets)), presets, strict=True):
        panel.imshow(sheet(volumes if preset in _VOLUMES else images, preset=preset), cmap="gray", vmin=0, vmax=255)
        panel.set_title(preset, fontsize=9)
        panel.set_xticks([])
        rows = panel.get_ylim()[0] / len(_SEEN)
        first = preset == presets[0]
        panel.set_yticks([rows * (n + 0.5) for n in range(len(_SEEN))], _SEEN if first else [""] * len(_SEEN))
        panel.tick_params(length=0, labelsize=8)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=90, metadata={"Software": None})


def sheet(image: Tensor, *, preset: Preset) -> np.ndarray:
    """Rows of originals, views and mixtures side by side, uint8 (H, W)."""
    rows_B = np.arange(len(image))
    normalisation = measure_normalisation(lambda rows: image[rows].numpy(), rows=rows_B)
    augmenter = Augmenter(AugmentOptions(preset=preset), normalisation, seed=SEED)
    view1, view2 = (augmenter.view(image, epoch=0, rows_B=rows_B, view=view) for view in (1, 2))
    mixings = [draw_mixing(len(image), alpha=1.0, lambda_per="batch", seed=SEED, step=step) for step in range(50)]
    # At .95 a mixture looks like none.
    virtual = mix(view1, mixing=min(mixings, key=lambda mixing: abs(float(mixing.share[0].mean()) - 0.65)))
    seen = [image.numpy(), *(as_pixels(view, normalisation=normalisation) for view in (view1, view2, virtual))]
    flat = [pixels[:, 0] if pixels.ndim == 4 else pixels[:, 0, pixels.shape[2] // 2] for pixels in seen]
    framed = [np.pad(pixels, ((0, 0), (0, 2), (0, 2)), constant_values=255) for pixels in flat]
    return np.concatenate([np.concatenate(list(pixels), axis=1) for pixels in framed])


def radiographs() -> Tensor:
    """Made-up chests, uint8 (B, 1, H, W)."""
    options = PhantomOptions(patients=COUNT, image_px=192)
    people = {one.patient: one for one in appointments(options, seed=SEED)}
    shown = [np.clip(radiograph(one, options=options, seed=SEED), 0, 1) for one in people.values()]
    return torch.cat([_stored(torch.from_numpy(picture).float(), axes=2) for picture in shown])


def chests() -> Tensor:
    """Made-up CT of chests, uint8 (B, 1, D, H, W)."""
    options = CTOptions(patients=COUNT)
    low, high = _WINDOW_HU
    found = []
    for scan in islice(scans(options, seed=SEED), COUNT):
        hu = scan_chest(scan, options=options, seed=SEED).stored_DHW.astype(np.float32) + scan.scanner.intercept
        found.append(_stored(torch.from_numpy(np.clip((hu - low) / (high - low), 0, 1)), axes=3))
    return torch.cat(found)


def _stored(grey: Tensor, *, axes: int) -> Tensor:
    """Grey values 0 to 1 at the size of the sheet, uint8, with axes for batch and channel."""
    mode = "bilinear" if axes == 2 else "trilinear"
    sized = torch.nn.functional.interpolate(grey[None, None], size=(_SIDE[axes],) * axes, mode=mode)
    return (sized * 255).round().to(torch.uint8)


if __name__ == "__main__":
    main()
