"""Tasks, and how they are named: by a digest of everything that decides their result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medtrimix.config.digest import digest_of
from medtrimix.config.model import Config
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.code import digest_of_code


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
        needs: the tasks of its inputs that other tasks make.
    """

    name: str
    step: str
    config: Config
    inputs: Mapping[str, Path]
    after: tuple[str, ...]
    key: str
    labels: Mapping[str, str | int] = field(default_factory=dict)
    needs: Mapping[str, Task] = field(default_factory=dict, repr=False, compare=False)


class Builder:
    """Collects the tasks of a plan, each after what it needs."""

    def __init__(self, cache: StepCache) -> None:
        self.cache = cache
        self.tasks: dict[str, Task] = {}

    def folder(self, task: Task) -> Path:
        """Where `task` writes."""
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
        gate: Task | None = None,
    ) -> Task:
        """Appends a task.

        `files` are inputs whose content the configuration or a task of `after` already names. A `gate` must be done
        before, and decides nothing about the result.
        """
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
            after=tuple(task.name for task in (*needs.values(), *([gate] if gate else []))),
            key=key,
            labels=labels,
            needs=upstream,
        )
        assert task.name not in self.tasks, task.name
        self.tasks[task.name] = task
        return task
