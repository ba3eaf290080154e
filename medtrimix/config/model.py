"""The root of every configuration: strict, frozen, unknown keys refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen piece of configuration.

    Strict: `"3"` is not a number, `3.5` is not a count and `.inf` is neither. Validate through JSON
    (`model_validate_json`), so that tuples and paths are accepted from YAML's lists and texts.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Contradiction(ValueError):
    """Raised by the validator of a section that blames one key in it, so that the key's line is shown.

    Args:
        message: what is wrong.
        at: keys that lead from the section to the one to blame.
    """

    def __init__(self, message: str, *, at: tuple[str, ...]) -> None:
        super().__init__(message)
        self.at = at
