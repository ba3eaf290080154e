"""Frozen features of every image, from one arm's encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medtrimix.config import model
from medtrimix.config.files import replacing
from medtrimix.errors import Interrupted
from medtrimix.steps import ingest, pretrain
from medtrimix.steps.context import Context
from medtrimix.steps.numerics import Numerics

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Config(model.Config):
    """Device and precision; the rest is the encoder's."""

    numerics: Numerics


@dataclass(frozen=True)
class Inputs:
    """Folders of `ingest` and `pretrain`."""

    ingest: Path
    pretrain: Path


def features_file(folder: Path) -> Path:
    """npy: float32 `(N, E)`, one row per row of the store."""
    return folder / "features.npy"


def load_features(folder: Path) -> npt.NDArray[np.float32]:
    """The features, mapped into memory: `feature_NE`."""
    import numpy as np

    features: npt.NDArray[np.float32] = np.load(features_file(folder), mmap_mode="r", allow_pickle=False)
    return features


def run(config: Config, *, inputs: Inputs, out: Path, context: Context) -> None:
    """Embeds every image once, as it is: no augmentation, running batch statistics."""
    import numpy as np
    import torch

    from medtrimix.augment.intensity import normalise
    from medtrimix.data.store import ArrayStore
    from medtrimix.nets.memory import channels_last, images_at_a_time, weights_channels_last
    from medtrimix.nets.weights import load_encoder
    from medtrimix.training.loop import make_fabric

    store = ArrayStore.open(ingest.store_folder(inputs.ingest))
    encoder = load_encoder(stem=pretrain.encoder_stem(inputs.pretrain)).eval()
    normalisation = pretrain.load_arm(inputs.pretrain).normalisation
    fabric = make_fabric(device=config.numerics.device, precision=config.numerics.precision)
    encoder = weights_channels_last(encoder.to(fabric.device))
    batch = images_at_a_time(store.image_shape)
    with (
        replacing(features_file(out)) as temporary,
        torch.inference_mode(),
        fabric.autocast(),
        temporary.open("wb") as file,
    ):
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (len(store), encoder.dim)}
        )
        for start in range(0, len(store), batch):
            rows_B = np.arange(start, min(start + batch, len(store)))
            image_BCHW = channels_last(torch.from_numpy(store.images(rows_B)).to(fabric.device))
            image_BCHW = normalise(image_BCHW, normalisation=normalisation)
            embedding_BE = encoder(image_BCHW)
            file.write(embedding_BE.float().cpu().contiguous().numpy().tobytes())
            context.recorder.progress(int(rows_B[-1]) + 1, len(store), unit="images")
            if context.should_stop():
                raise Interrupted(f"Stopped after {rows_B[-1] + 1} images.")
    context.recorder.params["dimensions"] = encoder.dim
