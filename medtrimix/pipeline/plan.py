"""A study as a graph of tasks, each named by a digest of everything that decides its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medtrimix.config.digest import digest_of, digest_of_file, seed_from
from medtrimix.config.paths import expand
from medtrimix.data.options import budget_name
from medtrimix.lowlabel.options import FROZEN
from medtrimix.methods.options import CheckpointOptions, NoneOptions
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.checkpoint import Checkpoint, find_checkpoint
from medtrimix.pipeline.data_tasks import add_duplicates, add_ingest, add_pool
from medtrimix.pipeline.graph import Builder, Task
from medtrimix.pipeline.machine import Machine
from medtrimix.pipeline.study import ComputeOptions, PretrainOptions, Study
from medtrimix.steps import audit, embed, evaluate, explain, learn, pretrain, split
from medtrimix.steps.numerics import Numerics


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


def make_plan(study: Study, *, machine: Machine, workspace: Path) -> Plan:
    """The tasks of `study`; reads the source's bytes unless their listing is known from before.

    Raises:
        SourceError: the source can't be listed.
        InputError: a checkpoint is not there.
    """
    builder = Builder(StepCache(workspace / "steps"))
    ingested = add_ingest(builder, study, data=study.data, workspace=workspace)
    alike = add_duplicates(builder, study, upstream={"ingest": ingested})
    file = expand(study.split.file) if study.split.file else None
    split_task = builder.add(
        "split",
        config=split.Config(
            split=study.split.model_copy(update={"file": None}),
            audit=study.audit,
            file_content=digest_of_file(file) if file else "",
            seed=seed_from(study.seed, "split"),
        ),
        upstream={"ingest": ingested, **alike},
        files={"file": file} if file else {},
    )
    both = {"ingest": ingested, "split": split_task}
    pool_tasks = add_pool(builder, study, upstream=both, workspace=workspace)
    audited = builder.add(
        "audit",
        config=audit.Config(audit=study.audit, draws=_draws(study)),
        upstream={**both, **alike, **pool_tasks},
    )
    seen = {"ingest": pool_tasks["pretraining"], "split": pool_tasks["pool"]} if pool_tasks else both
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
            # An arm that trains nothing has nothing to do with other images.
            upstream=both if isinstance(study.pretrain.arms[arm], NoneOptions | CheckpointOptions) else seen,
            checkpoint=checkpoints.get(arm),
            gate=audited,
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
        if any(isinstance(strategy, FROZEN) for strategy in study.learn.learners.values())
    }
    _add_cells(builder, study, upstream=both, encoders=encoders, features=features, numerics=numerics)
    if study.report.examples:
        _add_explanations(builder, study)
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


def _add_explanations(builder: Builder, study: Study) -> None:
    """Of the cell that the report's answer is of: first arm, first learner, fewest labels, first repetition.

    How a share of the images compares with a number of each class is only known when they are there: then both.
    """
    budgets = study.learn.label_budgets
    shares = [budget for budget in budgets if isinstance(budget, float)]
    numbers = [budget for budget in budgets if isinstance(budget, int)]
    fewest = [budget_name(min(same_kind)) for same_kind in (shares, numbers) if same_kind]
    first = {"arm": next(iter(study.pretrain.arms)), "strategy": next(iter(study.learn.learners)), "label_seed": 0}
    for task in list(builder.tasks.values()):
        labels = task.labels
        if task.step != "learn" or labels["budget"] not in fewest or labels.get("pretrain_seed", 0) != 0:
            continue
        if all(labels[name] == value for name, value in first.items()):
            assert isinstance(task.config, learn.Config)
            builder.add(
                "explain",
                config=explain.Config(cell=task.config),
                labels=labels,
                upstream={**task.needs, "learn": task},
            )


def _draws(study: Study) -> tuple[audit.Draw, ...]:
    """Every labelled subset of the study."""
    return tuple(
        audit.Draw(budget=budget, seed=_label_seed(study, number))
        for budget in study.learn.label_budgets
        for number in range(study.learn.seeds_of(budget))
    )


def _label_seed(study: Study, number: int) -> int:
    return seed_from(study.seed, "labels", number)


def _add_pretrain(
    builder: Builder,
    study: Study,
    *,
    arm: str,
    number: int,
    numerics: Numerics,
    upstream: Mapping[str, Task],
    checkpoint: Checkpoint | None,
    gate: Task,
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
    return builder.add("pretrain", config=config, labels=labels, upstream=upstream, files=files, gate=gate)


def _add_cells(
    builder: Builder,
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
        (name, strategy, budget, pretraining, label_seed)
        for name, strategy in sorted(study.learn.learners.items(), key=lambda item: isinstance(item[1], FROZEN))
        for budget in budgets
        for pretraining in encoders
        for label_seed in range(study.learn.seeds_of(budget))
    ]
    for name, strategy, budget, pretraining, label_seed in cells:
        labels: dict[str, str | int] = {
            **encoders[pretraining].labels,
            "strategy": name,
            "budget": budget_name(budget),
            "label_seed": label_seed,
        }
        config = learn.Config(
            strategy=strategy,
            augment=study.learn.augment,
            budget=budget,
            realistic_validation=study.learn.realistic_validation,
            label_seed=_label_seed(study, label_seed),
            seed=seed_from(study.seed, "learn", label_seed),
            numerics=numerics,
        )
        needs = {**upstream, "pretrain": encoders[pretraining]}
        if isinstance(strategy, FROZEN):
            needs["embed"] = features[pretraining]
        learned = builder.add("learn", config=config, labels=labels, upstream=needs)
        builder.add(
            "evaluate",
            config=evaluate.Config(
                draws=study.evaluate.bootstrap,
                seed=seed_from(study.seed, "bootstrap"),
                specificity=study.evaluate.specificity,
                by=study.evaluate.by,
            ),
            labels=labels,
            upstream={"learn": learned, "ingest": upstream["ingest"]},
        )
