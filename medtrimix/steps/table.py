"""Every step, in the order in which data passes through them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from medtrimix.config.model import Config
from medtrimix.steps import embed, evaluate, ingest, learn, phantom, pretrain, split
from medtrimix.steps.context import Context


class Step(Protocol):
    """A step is a module with these names.

    `Config` is frozen and strict, `Inputs` a frozen dataclass of paths: folders of earlier steps, or files of the user.
    `run` reads its inputs, writes only under `out`, and returns nothing: what it made lies there, and how it is read
    is a function of the same module.
    """

    __name__: str
    Config: type[Config]
    Inputs: Callable[..., Any]
    run: Callable[..., None]


STEPS: dict[str, Step] = {
    "phantom": phantom,
    "ingest": ingest,
    "split": split,
    "pretrain": pretrain,
    "embed": embed,
    "learn": learn,
    "evaluate": evaluate,
}


def run_step(name: str, *, config_json: str, inputs: dict[str, Path], out: Path, context: Context) -> None:
    """Runs one step from its serialised configuration."""
    step = STEPS[name]
    step.run(step.Config.model_validate_json(config_json), inputs=step.Inputs(**inputs), out=out, context=context)
    context.recorder.close()
