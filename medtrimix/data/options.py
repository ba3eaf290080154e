"""What a pipeline file says about splits, label budgets and the leakage audit."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from medtrimix.config.model import Config

Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


class SplitOptions(Config):
    """How patients are dealt to train, validation and test.

    Attributes:
        val: share of the patients for validation.
        test: share of the patients for test.
        file: a frozen split: CSV with the column `split` and one of `pixel_sha256`, `sample_id`, `patient_id`.
    """

    val: Share = 0.15
    test: Share = 0.25
    file: str | None = None

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> SplitOptions:
        if self.val + self.test >= 1:
            raise ValueError(f"val + test is {self.val + self.test:g}, which leaves no patient for training")
        return self


class AuditOptions(Config):
    """What to do about patients or pictures that are on two sides of a split, or in pretraining and in val or test.

    Attributes:
        on_leak: `drop`: training leaves out its copies, exact or near, of pictures that validation or test also have,
            with the other images of those patients (pretraining on other data leaves out all images of such patients),
            and the report says how many; a patient on two sides of the split still stops the run. `fail`: whatever
            leaks stops the run. `warn`: all stays, and the report says so in red.
        likeness: from which likeness on two pictures can count as nearly the same; the bar of a cohort whose pictures
            are all alike is higher (`likeness.required_likeness`). null: nobody looks for near-duplicates.
    """

    on_leak: Literal["drop", "fail", "warn"] = "drop"
    likeness: Annotated[float, Field(ge=0.8, le=1)] | None = 0.95


def _checked_budget(value: Any) -> Any:
    """The budget itself; one message for whatever is wrong with it, instead of one for each type it is not."""
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    fraction = isinstance(value, float) and 0 < value <= 1
    if count or fraction:
        return value
    raise ValueError(
        f"a label budget is a whole number from 1 (labels per class) or a fraction above 0.0 up to 1.0 "
        f"(of the labelled training images), not {value!r}"
    )


LabelBudget: TypeAlias = Annotated[int | float, BeforeValidator(_checked_budget)]
"""An int: labels per class. A float: fraction of the labelled training images. `1` is one per class, `1.0` is all."""


def budget_name(budget: LabelBudget) -> str:
    """The budget as tables show it: `5 per class`, `1%`, `0.5%`."""
    return f"{budget} per class" if isinstance(budget, int) else f"{100 * budget:.6g}%"
