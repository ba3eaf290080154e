"""The pipeline file: every section, its keys and their defaults."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from medtrimix.augment.options import AugmentOptions
from medtrimix.config.model import Config, Contradiction
from medtrimix.data.options import AuditOptions, LabelBudget, SplitOptions, budget_name
from medtrimix.ingest.options import PHANTOM, DataOptions
from medtrimix.lowlabel.options import AnyOptions, FinetuneOptions, LinearOptions, StrategyOptions
from medtrimix.methods.options import ArmOptions, MAEOptions, TriMixOptions
from medtrimix.nets.options import EncoderOptions
from medtrimix.phantom.options import AnyPhantom, PhantomOptions
from medtrimix.tracking.options import TrackingOptions
from medtrimix.training.health import OnCollapse, WatchOptions
from medtrimix.training.options import AdamWOptions, OptimizerOptions

Items = TypeVar("Items", bound=Collection[Any])

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _plain_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("should be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit")
    return text


def _each_once(values: Items, *, names: list[str], more: str = "") -> Items:
    if not names:  # Field(min_length=1) would also speak up when every item is wrong
        raise ValueError("should name at least one")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ValueError(f"{repeated[0]} is listed twice{more}")
    return values


PartColumn = Literal["site", "device", "modality", "encoding", "orientation", "spacing_origin", "flags"]
"""Columns of the index that hold pseudonyms or defined terms, never what a person wrote."""

STORED_ALIKE = ("image_size", "channels", "volume", "fit", "ct_window")
"""Keys of `data` that hold for `pretrain.data` as well, unless it says otherwise."""

Name = Annotated[str, AfterValidator(_plain_name)]
LabelSeeds = Annotated[int, Field(ge=1)]


def _list_or_names(value: Any) -> str:
    return "names" if isinstance(value, Mapping) else "list"


Strategies = Annotated[
    Annotated[tuple[StrategyOptions, ...], Tag("list")] | Annotated[Mapping[Name, StrategyOptions], Tag("names")],
    Discriminator(_list_or_names),
]
"""A list, or names of one's own, so that a study can have a strategy more than once, with other options."""


class PretrainOptions(Config):
    """Pretraining without labels: what all arms share, and the arms.

    Attributes:
        data: other images to pretrain on than those that are learned from, without need of labels; how they are stored
            follows the study's own `data` (`STORED_ALIKE`). null: the train side of the study's own images.
        image_budget: images through the encoder, the same for every arm.
        epochs: passes over the training images instead, each without its last, incomplete batch; the same for every
            arm, however many passes through the encoder its method needs.
        seeds: how often each arm is pretrained, from other first weights, in another order; arms are paired.
        batch_size: images of an optimiser step.
        accumulate: parts of equal size that this batch is cut into to save memory, each a batch of its own to the
            method; their gradients are averaged.
        ema: share, 0 to 1, that a moving average of the encoder keeps at each step; the average is then what is
            learned from. 0 switches it off.
        watch: how the representation is looked at on the way; no result depends on it.
        on_collapse: `warn` goes on with a representation that gives all images nearly the same embedding; `fail` ends
            the run.
    """

    data: DataOptions | None = None
    encoder: EncoderOptions = EncoderOptions()
    augment: AugmentOptions = AugmentOptions()
    batch_size: int = Field(default=256, ge=2)
    image_budget: int = Field(default=200_000, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    seeds: int = Field(default=1, ge=1)
    accumulate: int = Field(default=1, ge=1)
    ema: float = Field(default=0.0, ge=0.0, lt=1.0)
    optimizer: OptimizerOptions = AdamWOptions()
    watch: WatchOptions = WatchOptions()
    on_collapse: OnCollapse = "warn"
    arms: Annotated[Mapping[Name, ArmOptions], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and "image_budget" in self.model_fields_set:
            raise ValueError("takes image_budget or epochs, not both")
        return self

    @model_validator(mode="after")
    def _parts_of_one_size(self) -> Self:
        if self.batch_size % self.accumulate or self.batch_size < 2 * self.accumulate:
            raise ValueError(
                f"batch_size {self.batch_size} can't be cut into accumulate: {self.accumulate} equal parts "
                "of 2 images or more"
            )
        return self

    @model_validator(mode="after")
    def _patches_to_leave_out(self) -> Self:
        for name, arm in self.arms.items():
            if isinstance(arm, MAEOptions) and self.encoder.name != "vit":
                raise ValueError(
                    f"arm {name}: the method mae leaves out patches, which {self.encoder.name} has not; "
                    "set pretrain.encoder to {name: vit}, or take another method"
                )
        return self


class LearnOptions(Config):
    """Learning from few labels: which learners, on how many labels, how often.

    Attributes:
        strategies: `[linear, finetune]`, or with names: `{full: finetune, head: {strategy: finetune, train: head}}`.
        label_seeds: draws of the labelled subset: a number, or one for each of `label_budgets`.
        augment: of the images that a network learns from; the weak views of semi-supervised learners.
        realistic_validation: each cell sees no more labelled images of val than it has labels, be it for its curves or
            for early stopping.
    """

    strategies: Strategies = (LinearOptions(), FinetuneOptions())
    label_budgets: tuple[LabelBudget, ...] = (0.01, 0.1, 1.0)
    label_seeds: LabelSeeds | tuple[LabelSeeds, ...] = 3
    augment: AugmentOptions = AugmentOptions(preset="light")
    realistic_validation: bool = False

    @field_validator("strategies", mode="after")
    @classmethod
    def _strategies_once(cls, values: Strategies) -> Strategies:
        if isinstance(values, Mapping):
            return _each_once(values, names=list(values))
        more = "; give each a name: strategies: {first: {strategy: ...}, second: {strategy: ...}}"
        return _each_once(values, names=[value.strategy for value in values], more=more)

    @field_validator("label_budgets", mode="after")
    @classmethod
    def _budgets_once(cls, values: tuple[LabelBudget, ...]) -> tuple[LabelBudget, ...]:
        return _each_once(values, names=[budget_name(value) for value in values])

    @model_validator(mode="after")
    def _seeds_of_each_budget(self) -> Self:
        if isinstance(self.label_seeds, tuple) and len(self.label_seeds) != len(self.label_budgets):
            raise ValueError(f"label_seeds has {len(self.label_seeds)} numbers for {len(self.label_budgets)} budgets")
        return self

    @property
    def learners(self) -> dict[str, AnyOptions]:
        """The strategies by name: their own, or the one that the file gives."""
        if isinstance(self.strategies, Mapping):
            return dict(self.strategies)
        return {options.strategy: options for options in self.strategies}

    def seeds_of(self, budget: LabelBudget) -> int:
        """Draws of the labelled subset of this budget."""
        if isinstance(self.label_seeds, int):
            return self.label_seeds
        names = [budget_name(known) for known in self.label_budgets]  # a budget of 1 is not one of 1.0
        return self.label_seeds[names.index(budget_name(budget))]


class EvaluateOptions(Config):
    """What is measured on test beside the metrics, and how sure it is.

    Attributes:
        bootstrap: draws over patients, for intervals.
        specificity: aims of operating points: thresholds chosen on val, applied to test. Two classes only.
        by: columns by which the test set is taken apart, where they have 2 to 20 values.
    """

    bootstrap: int = Field(default=2000, ge=100)
    specificity: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = (0.9, 0.95)
    by: tuple[PartColumn, ...] = ("site", "device")

    @field_validator("specificity", "by")
    @classmethod
    def _each_named_once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        return _each_once(values, names=[str(value) for value in values]) if values else values


class ComputeOptions(Config):
    """Where and how to compute; `auto` takes what the machine has.

    Attributes:
        device: of the training.
        precision: `bf16` is autocast, weights stay in float32; `auto` takes it where the processor has the
            instructions. On a CPU encoders of volumes run in float32 all the same.
        workers: tasks at a time; `auto`: one per GPU, or one per core (8 at most).
        threads: of each process; `auto`: its share of the cores where `workers` is `auto`. Sums depend on it in their
            last bits, so other numbers of workers leave it as it is.
        checkpoint_every_s: seconds of pretraining that a kill may cost; no result depends on it.
        processes_per_training: processes (on a GPU machine as many GPUs) that share each pretraining.
        compile: pretrain through torch.compile, which needs a C++ compiler.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    checkpoint_every_s: float = Field(default=20.0, ge=0)
    processes_per_training: int = Field(default=1, ge=1)
    compile: bool = False

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.compile and self.processes_per_training > 1:
            raise ValueError("takes compile or processes_per_training, not both")
        return self


_SIDES = 3  # of a split


class ReportOptions(Config):
    """The report.

    Attributes:
        examples: whether it shows a few validation images, pictures of patients, and what their answers rest on, and
            the quality page a sample of all images.
    """

    examples: bool = True


class Study(Config):
    """One pipeline file.

    Attributes:
        name: of its results, its runs and its report.
        description: what a reader of the numbers must know, such as a warning; shown with every result. Not a place
            for anything that identifies.
        seed: every random number of the study follows from it.
    """

    name: Name
    description: str = ""
    seed: int = Field(default=0, ge=0)
    data: DataOptions
    phantom: AnyPhantom = PhantomOptions()
    split: SplitOptions = SplitOptions()
    audit: AuditOptions = AuditOptions()
    pretrain: PretrainOptions
    learn: LearnOptions = LearnOptions()
    evaluate: EvaluateOptions = EvaluateOptions()
    compute: ComputeOptions = ComputeOptions()
    report: ReportOptions = ReportOptions()
    tracking: TrackingOptions = TrackingOptions()

    @property
    def pretrain_data(self) -> DataOptions | None:
        """`pretrain.data` with what it leaves to `data`; None without it."""
        own = self.pretrain.data
        if own is None:
            return None
        taken = {name: getattr(self.data, name) for name in STORED_ALIKE if name not in own.model_fields_set}
        return own.model_copy(update=taken)

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        other = self.pretrain_data
        if other is not None and other.stored_shape != self.data.stored_shape:
            shapes = [" x ".join(map(str, data.stored_shape)) for data in (other, self.data)]
            raise Contradiction(
                f"pretrain.data would be stored as {shapes[0]} and data as {shapes[1]} (channels first), but one "
                "encoder takes both; leave image_size, channels and volume out of pretrain.data to have those of data",
                at=("pretrain", "data"),
            )
        return self

    @model_validator(mode="after")
    def _phantom_gives_what_is_asked(self) -> Self:
        for section, data in ((("data",), self.data), (("pretrain", "data"), self.pretrain_data)):
            if data and data.source == PHANTOM and data.volume and self.phantom.kind != "ct":
                raise Contradiction(
                    "radiographs make no volumes; leave volume out, or set phantom to {kind: ct}",
                    at=(*section, "volume"),
                )
        if self.data.source == PHANTOM and self.phantom.patients < _SIDES:
            raise Contradiction("train, val and test need a patient each, 3 at least", at=("phantom", "patients"))
        return self

    @model_validator(mode="after")
    def _can_be_compiled(self) -> Self:
        """torch.compile doesn't see hooks that come and go, by which feature maps are mixed."""
        hidden = [n for n, o in self.pretrain.arms.items() if isinstance(o, TriMixOptions) and o.mixing == "hidden"]
        if self.compute.compile and hidden:
            raise Contradiction(
                f"compute.compile does not go with mixing: hidden, as in arm {hidden[0]}", at=("compute", "compile")
            )
        return self
