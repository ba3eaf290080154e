"""A study as a graph of tasks, each named by a digest of everything that decides its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medtrimix.config.digest import digest_of, digest_of_file, seed_from
from medtrimix.config.model import Config
from medtrimix.config.paths import expand
from medtrimix.data.options import budget_name
from medtrimix.lowlabel.options import LinearOptions
from medtrimix.methods.options import CheckpointOptions, NoneOptions
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.checkpoint import Checkpoint, find_checkpoint
from medtrimix.pipeline.code import digest_of_code
from medtrimix.pipeline.machine import Machine
from medtrimix.pipeline.source import source_content
from medtrimix.pipeline.study import ComputeOptions, PretrainOptions, Study
from medtrimix.steps import embed, evaluate, ingest, learn, phantom, pretrain, split
from medtrimix.steps.numerics import Numerics


@dataclass(frozen=True)
class Task:
    """One run of a step.

    Attributes:
        name: for people, unique in the plan.
        step: key of `STEPS`.
        config: of the step.
        inputs: where its inputs lie or will lie.
        after: names of the tasks that must be done before.
        key: digest of step, code, configuration and the keys of its inputs.
        labels: arm, strategy, budget and the like, where they apply.
    """

    name: str
    step: str
    config: Config
    inputs: Mapping[str, Path]
    after: tuple[str, ...]
    key: str
    labels: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Tasks in an order in which each comes after what it needs, and the digest of the whole."""

    study: Study
    machine: Machine
    tasks: tuple[Task, ...]
    digest: str

    def of_step(self, step: str) -> tuple[Task, ...]:
        """The tasks of one step, in order."""
        return tuple(task for task in self.tasks if task.step == step)


class _Builder:
    def __init__(self, cache: StepCache) -> None:
        self.cache = cache
        self.tasks: dict[str, Task] = {}

    def folder(self, task: Task) -> Path:
        return self.cache.folder(task.step, key=task.key)

    def add(
        self,
        step: str,
        *,
        config: Config,
        labels: Mapping[str, str | int] | None = None,
        upstream: Mapping[str, Task] | None = None,
        files: Mapping[str, Path] | None = None,
        after: tuple[Task, ...] = (),
    ) -> Task:
        """Appends a task. `files` are inputs whose content the configuration or a task of `after` already names."""
        upstream, files, labels = upstream or {}, files or {}, labels or {}
        needs = {**upstream, **{f"after {task.step}": task for task in after}}
        key = digest_of(
            {
                "step": step,
                "code": digest_of_code(f"medtrimix.steps.{step}"),
                "config": config.model_dump(mode="json"),
                "inputs": {name: task.key for name, task in needs.items()},
            }
        )
        task = Task(
            name=" ".join([step, *(str(value) for value in labels.values())]),
            step=step,
            config=config,
            inputs={**{name: self.folder(task) for name, task in upstream.items()}, **files},
            after=tuple(task.name for task in needs.values()),
            key=key,
            labels=labels,
        )
        assert task.name not in self.tasks, task.name
        self.tasks[task.name] = task
        return task


def make_plan(study: Study, *, machine: Machine, workspace: Path) -> Plan:
    """The tasks of `study`; reads the source's bytes unless their listing is known from before.

    Raises:
        SourceError: the source can't be listed.
        InputError: a checkpoint is not there.
    """
    builder = _Builder(StepCache(workspace / "steps"))
    ingested = _add_ingest(builder, study, workspace=workspace)
    file = expand(study.split.file) if study.split.file else None
    split_task = builder.add(
        "split",
        config=split.Config(
            split=study.split.model_copy(update={"file": None}),
            audit=study.audit,
            file_content=digest_of_file(file) if file else "",
            seed=seed_from(study.seed, "split"),
        ),
        upstream={"ingest": ingested},
        files={"file": file} if file else {},
    )
    both = {"ingest": ingested, "split": split_task}
    numerics = Numerics(device=machine.device, precision=machine.precision)
    checkpoints = {
        arm: find_checkpoint(options, arm=arm, tracking=study.tracking, workspace=workspace)
        for arm, options in study.pretrain.arms.items()
        if isinstance(options, CheckpointOptions)
    }
    encoders = {
        (arm, number): _add_pretrain(
            builder,
            study,
            arm=arm,
            number=number,
            numerics=numerics,
            upstream=both,
            checkpoint=checkpoints.get(arm),
        )
        for number in range(study.pretrain.seeds)
        for arm in study.pretrain.arms
    }
    features = {
        pretraining: builder.add(
            "embed",
            config=embed.Config(numerics=numerics),
            labels=encoder.labels,
            upstream={"ingest": ingested, "pretrain": encoder},
        )
        for pretraining, encoder in encoders.items()
        if any(isinstance(strategy, LinearOptions) for strategy in study.learn.strategies)
    }
    _add_cells(builder, study, upstream=both, encoders=encoders, features=features, numerics=numerics)
    tasks = tuple(builder.tasks.values())
    return Plan(
        study=study,
        machine=machine,
        tasks=tasks,
        digest=digest_of(
            {
                "study": study.model_dump(mode="json", include={"name", "description", "report", "tracking"}),
                "tasks": [t.key for t in tasks],
            }
        ),
    )


def _add_ingest(builder: _Builder, study: Study, *, workspace: Path) -> Task:
    from medtrimix.ingest.pseudonym import Pseudonyms, load_or_create_secret

    pseudonyms = Pseudonyms(load_or_create_secret())
    neutral = study.data.model_copy(
        update={"source": "phantom" if study.data.source == "phantom" else "external", "labels": None}
    )
    if study.data.source == "phantom":
        made = builder.add(
            "phantom", config=phantom.Config(options=study.phantom, seed=seed_from(study.seed, "phantom"))
        )
        folder = builder.folder(made)
        return builder.add(
            "ingest",
            config=ingest.Config(options=neutral, content="", secret_id=pseudonyms.key_id),
            files={"source": phantom.export_folder(folder), "labels": phantom.labels_file(folder)},
            after=(made,),
        )
    data = study.data.model_copy(
        update={
            "source": str(expand(study.data.source)),
            "labels": str(expand(study.data.labels)) if study.data.labels else None,
        }
    )
    files = {"source": Path(data.source)} | ({"labels": Path(data.labels)} if data.labels else {})
    content = source_content(data, pseudonyms=pseudonyms, workspace=workspace)
    config = ingest.Config(options=neutral, content=content, secret_id=pseudonyms.key_id)
    return builder.add("ingest", config=config, files=files)


def _add_pretrain(
    builder: _Builder,
    study: Study,
    *,
    arm: str,
    number: int,
    numerics: Numerics,
    upstream: Mapping[str, Task],
    checkpoint: Checkpoint | None,
) -> Task:
    shared, compute = study.pretrain, study.compute
    # The same for every arm: same first weights, same order of images. The first has no number, so that asking for
    # more of them leaves it as it is.
    seed = seed_from(study.seed, "pretrain", *([number] if number else []))
    method = CheckpointOptions(weights="external") if checkpoint else shared.arms[arm]
    if isinstance(method, NoneOptions | CheckpointOptions):
        # Nothing is trained: how the other arms are trained must not decide this one's key.
        shared, compute = PretrainOptions(encoder=shared.encoder, arms=shared.arms), ComputeOptions()
    config = pretrain.Config(
        method=method,
        encoder=checkpoint.encoder if checkpoint else shared.encoder,
        augment=shared.augment,
        batch_size=shared.batch_size,
        image_budget=None if shared.epochs else shared.image_budget,
        epochs=shared.epochs,
        optimizer=shared.optimizer,
        accumulate=shared.accumulate,
        ema=shared.ema,
        compiled=compute.compile,
        processes=compute.processes_per_training,
        numerics=numerics,
        seed=seed,
        weights_content=checkpoint.content if checkpoint else "",
        watch=shared.watch,
        on_collapse=shared.on_collapse,
    )
    labels: dict[str, str | int] = {"arm": arm, **({"pretrain_seed": number} if study.pretrain.seeds > 1 else {})}
    files = {"weights": checkpoint.stem} if checkpoint else {}
    return builder.add("pretrain", config=config, labels=labels, upstream=upstream, files=files)


def _add_cells(
    builder: _Builder,
    study: Study,
    *,
    upstream: Mapping[str, Task],
    encoders: Mapping[tuple[str, int], Task],
    features: Mapping[tuple[str, int], Task],
    numerics: Numerics,
) -> None:
    """Cells, the long ones first, so that the last minutes use every worker."""
    budgets = sorted(study.learn.label_budgets, key=lambda budget: (isinstance(budget, float), budget), reverse=True)
    cells = [
        (strategy, budget, pretraining, label_seed)
        for strategy in sorted(study.learn.strategies, key=lambda options: options.strategy)  # finetune before linear
        for budget in budgets
        for pretraining in encoders
        for label_seed in range(study.learn.seeds_of(budget))
    ]
    for strategy, budget, pretraining, label_seed in cells:
        labels: dict[str, str | int] = {
            **encoders[pretraining].labels,
            "strategy": strategy.strategy,
            "budget": budget_name(budget),
            "label_seed": label_seed,
        }
        config = learn.Config(
            strategy=strategy,
            augment=study.learn.augment,
            budget=budget,
            label_seed=seed_from(study.seed, "labels", label_seed),
            seed=seed_from(study.seed, "learn", label_seed),
            numerics=numerics,
        )
        needs = {**upstream, "pretrain": encoders[pretraining]}
        if isinstance(strategy, LinearOptions):
            needs["embed"] = features[pretraining]
        learned = builder.add("learn", config=config, labels=labels, upstream=needs)
        builder.add(
            "evaluate",
            config=evaluate.Config(draws=study.evaluate.bootstrap, seed=seed_from(study.seed, "bootstrap")),
            labels=labels,
            upstream={"learn": learned},
        )
