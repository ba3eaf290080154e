"""Every step, in the order in which data passes through them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from medtrimix.steps import audit, duplicates, embed, evaluate, explain, ingest, learn, phantom, pool, pretrain, split
from medtrimix.steps.context import Context

STEPS: dict[str, ModuleType] = {
    "phantom": phantom,
    "ingest": ingest,
    "duplicates": duplicates,
    "split": split,
    "pool": pool,
    "audit": audit,
    "pretrain": pretrain,
    "embed": embed,
    "learn": learn,
    "explain": explain,
    "evaluate": evaluate,
}
"""A step is a module with three names.

`Config` is frozen and strict, `Inputs` a frozen dataclass of paths: folders of earlier steps, or files of the user.
`run(config, *, inputs, out, context)` reads its inputs, writes only under `out`, and returns nothing: what it made lies
there, and functions of the same module say where and read it.
"""


def run_step(name: str, *, config_json: str, inputs: dict[str, Path], out: Path, context: Context) -> None:
    """Runs one step from its serialised configuration."""
    step = STEPS[name]
    step.run(step.Config.model_validate_json(config_json), inputs=step.Inputs(**inputs), out=out, context=context)
    context.recorder.close()
