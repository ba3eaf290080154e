"""The step `pretrain` in two processes, to its very end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from resume import make_inputs

from medtrimix.augment.options import AugmentOptions
from medtrimix.methods.options import TriMixOptions
from medtrimix.nets.options import EncoderOptions
from medtrimix.steps import pretrain
from medtrimix.steps.context import Context, Recorder
from medtrimix.steps.numerics import Numerics
from medtrimix.training.health import WatchOptions
from medtrimix.training.options import AdamWOptions

pytestmark = pytest.mark.slow


def test_pictures_of_near_partners_need_no_companion(tmp_path: Path) -> None:
    """They are made by the first process, when the others have left."""
    config = pretrain.Config(
        method=TriMixOptions(partners="near"),
        encoder=EncoderOptions(name="resnet10", width=0.125),
        augment=AugmentOptions(preset="radiograph"),
        batch_size=8,
        image_budget=2 * 3 * 8,
        epochs=None,
        optimizer=AdamWOptions(),
        processes=2,
        numerics=Numerics(device="cpu", precision="fp32"),
        seed=1,
        watch=WatchOptions(images=0),
    )
    out = tmp_path / "out"
    out.mkdir()
    context = Context(recorder=Recorder(out), should_stop=lambda: False, workers=1, checkpoint_every_s=1e9)
    pretrain.run(config, inputs=make_inputs(tmp_path / "in"), out=out, context=context)
    assert context.recorder.metrics["steps"] == 2
    with np.load(pretrain.views_file(out)) as views:
        assert views["virtual_BCHW"].shape == views["view1_BCHW"].shape
