"""The root of every configuration: strict, frozen, unknown keys refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen piece of configuration.

    Strict: `"3"` is not a number and `3.5` is not a count. Validate through JSON (`model_validate_json`), so that
    tuples and paths are accepted from YAML's lists and texts.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
