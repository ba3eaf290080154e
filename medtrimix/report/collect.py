"""From the results of a plan's tasks to the `Study` that the report is made of."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medtrimix import __version__
from medtrimix.config.files import read_json
from medtrimix.config.yaml import dump
from medtrimix.data.store import ArrayStore
from medtrimix.methods.options import MLFLOW_RUN
from medtrimix.pipeline.cache import StepCache
from medtrimix.pipeline.graph import Task
from medtrimix.pipeline.plan import Plan
from medtrimix.pipeline.study import Study as StudyFile
from medtrimix.report.audit import audit_checks
from medtrimix.report.cohort import cohort, source_kind
from medtrimix.report.figures.embedding import FEWEST, MAPS, coloured, glimpse, plane
from medtrimix.report.figures.examples import examples
from medtrimix.report.study import (
    CellRow,
    Collapse,
    EmbeddingMap,
    Examples,
    LossCurve,
    Prediction,
    Study,
    Timing,
    ViewSheet,
)
from medtrimix.report.wording import count
from medtrimix.steps import audit, embed, evaluate, explain, ingest, learn, pretrain, split
from medtrimix.steps.context import CURVES, RECORD, read_warning
from medtrimix.training.health import UNTRAINED, WATCHED

_PACKAGES = ("torch", "monai", "lightning", "numpy", "scikit-learn", "pydicom", "mlflow")
_MASK = "(not recorded)"


def collect(plan: Plan, *, workspace: Path, cached: frozenset[str]) -> Study:
    """Reads every finished task of `plan`; `cached` names the tasks that this run found done."""
    return _Collector(plan, cache=StepCache(workspace / "steps")).study(cached)


def masked_config(study: StudyFile) -> str:
    """The pipeline file as YAML, with everything that can say where the data or the server is left out."""
    values = study.model_dump(mode="json")
    values["data"]["source"] = source_kind(study.data.source)
    if study.pretrain.data is not None:
        own = values["pretrain"]["data"]
        own.update(source=source_kind(own["source"]), labels=_MASK if own["labels"] else None)
    for arm in values["pretrain"]["arms"].values():
        if not arm.get("weights", MLFLOW_RUN).startswith(MLFLOW_RUN):
            arm["weights"] = _MASK
    for section, key in (("data", "labels"), ("split", "file"), ("tracking", "uri")):
        if values[section][key] is not None:
            values[section][key] = _MASK
    return dump(values)


def environment(plan: Plan) -> dict[str, str]:
    """Versions and the way of computing; no host name, no user."""
    machine = plan.machine
    return {
        "medtrimix": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "device": machine.device,
        "precision": machine.precision,
        "workers": f"{machine.workers} x {machine.threads} thread(s)",
        "seed": str(plan.study.seed),
    }


class _Collector:
    def __init__(self, plan: Plan, *, cache: StepCache) -> None:
        self._plan = plan
        self._cache = cache
        self._ingest = self._folder(plan.of_step("ingest")[0])
        self._split = self._folder(plan.of_step("split")[0])
        self._store = ArrayStore.open(ingest.store_folder(self._ingest))

    def study(self, cached: frozenset[str]) -> Study:
        plan = self._plan
        learners = plan.study.learn.learners
        strategies = list(learners)
        arms = list(plan.study.pretrain.arms)
        tasks = sorted(
            plan.of_step("evaluate"),
            key=lambda task: (strategies.index(str(task.labels["strategy"])), arms.index(str(task.labels["arm"]))),
        )
        first = [task for task in plan.of_step("pretrain") if _pretrain_seed(task) == 0]
        trained = [task for task in first if (self._folder(task) / CURVES).is_file()]
        return Study(
            name=plan.study.name,
            description=plan.study.description,
            finished=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            digest=plan.digest,
            learners={name: options.strategy for name, options in learners.items()},
            classes=self._store.classes,
            cohort=cohort(
                self._store,
                split_folder=self._split,
                verdicts=read_json(ingest.verdicts_file(self._ingest)),
                source=source_kind(plan.study.data.source),
                frozen=plan.study.split.file is not None,
                pretraining=self._pretraining(),
            ),
            audit=audit_checks(read_json(audit.audit_file(self._folder(plan.of_step("audit")[0])))),
            cells=tuple(self._cell(task) for task in tasks),
            predictions=tuple(self._prediction(task) for task in tasks),
            loss_curves=tuple(self._loss_curve(task) for task in trained),
            view_sheets=tuple(self._views(task) for task in trained),
            config_yaml=masked_config(plan.study),
            environment=environment(plan),
            timings=tuple(self._timings(cached)),
            collapses=tuple(self._collapses()),
            early_stopping=tuple(
                name for name, own in learners.items() if getattr(own, "early_stopping", "none") != "none"
            ),
            realistic_validation=plan.study.learn.realistic_validation,
            embeddings=tuple(self._embeddings()),
            examples=self._examples() if plan.study.report.examples else (),
        )

    def _folder(self, task: Task) -> Path:
        return self._cache.folder(task.step, key=task.key)

    def _learn_folder(self, task: Task) -> Path:
        return task.inputs["learn"]

    def _cell(self, task: Task) -> CellRow:
        learned = read_json(self._learn_folder(task) / RECORD)["metrics"]
        metrics = evaluate.load_metrics(self._folder(task))
        arm = str(task.labels["arm"])
        return CellRow(
            arm=arm,
            method=self._plan.study.pretrain.arms[arm].method,
            strategy=str(task.labels["strategy"]),
            budget=str(task.labels["budget"]),
            fraction=learned["label_fraction"],
            pretrain_seed=_pretrain_seed(task),
            label_seed=int(task.labels["label_seed"]),
            n_labels=learned["n_labels"],
            n_labelled_patients=learned["n_labelled_patients"],
            n_test=metrics["auc"].n,
            n_patients=metrics["auc"].n_patients,
            metrics=metrics,
            draws=evaluate.load_draws(self._folder(task)),
            details=evaluate.load_details(self._folder(task)),
        )

    def _prediction(self, task: Task) -> Prediction:
        test = learn.load_predictions(self._learn_folder(task), side="test")
        return Prediction(
            arm=str(task.labels["arm"]),
            strategy=str(task.labels["strategy"]),
            budget=str(task.labels["budget"]),
            label_seed=int(task.labels["label_seed"]),
            probability_NK=test.probability_NK,
            target_N=test.target_N,
            patient_N=test.patient_N,
        )

    def _embeddings(self) -> list[EmbeddingMap]:
        """Of the first pretraining of each arm, where a learner needed features."""
        rows = glimpse(split.rows_of_side(self._split, "val"))
        target_N, classes = coloured(self._store.targets(rows), classes=self._store.classes)
        return [
            EmbeddingMap(
                arm=str(task.labels["arm"]),
                place_N2=plane(embed.load_features(self._folder(task))[rows]),
                target_N=target_N,
                classes=classes,
            )
            for task in self._plan.of_step("embed")[:MAPS]
            if _pretrain_seed(task) == 0 and len(rows) > FEWEST
        ]

    def _examples(self) -> tuple[Examples, ...]:
        """What the learner of the opening sentence says about val, in its first repetition."""
        fewest = min(self._plan.of_step("explain"), key=self._n_labels)
        return examples(explain.load_explained(self._folder(fewest)), store=self._store)

    def _n_labels(self, task: Task) -> int:
        return int(read_json(self._learn_folder(task) / RECORD)["metrics"]["n_labels"])

    def _pretraining(self) -> str:
        data = self._plan.study.pretrain.data
        if data is None:
            return ""
        seen = read_json(self._folder(self._plan.of_step("pool")[0]) / RECORD)["metrics"]
        amount = f"{count(int(seen['images']), 'image')} of {count(int(seen['patients']), 'patient')}"
        return f"{amount} ({source_kind(data.source)})"

    def _loss_curve(self, task: Task) -> LossCurve:
        lines = [json.loads(line) for line in (self._folder(task) / CURVES).read_text().splitlines()]
        terms = [name for name in lines[0] if name not in ("step", "time", "images", *WATCHED)]
        metrics = read_json(self._folder(task) / RECORD)["metrics"]
        return LossCurve(
            arm=str(task.labels["arm"]),
            images_seen_S=np.array([line["images"] for line in lines], dtype=np.int64),
            terms={name: np.array([line[name] for line in lines], dtype=np.float64) for name in terms},
            watched={name: seen for name in WATCHED if len((seen := _watched(lines, name))[0])},
            untrained={name: metrics[name + UNTRAINED] for name in WATCHED if name + UNTRAINED in metrics},
        )

    def _collapses(self) -> list[Collapse]:
        tasks = self._plan.of_step("pretrain")
        return [
            Collapse(str(task.labels["arm"]), _pretrain_seed(task), message)
            for task in tasks
            if (message := read_warning(self._folder(task)))
        ]

    def _views(self, task: Task) -> ViewSheet:
        with np.load(pretrain.views_file(self._folder(task)), allow_pickle=False) as archive:
            return ViewSheet(arm=str(task.labels["arm"]), **{name: archive[name] for name in archive.files})

    def _timings(self, cached: frozenset[str]) -> list[Timing]:
        timings = []
        for step in dict.fromkeys(task.step for task in self._plan.tasks):
            tasks = self._plan.of_step(step)
            seconds = sum(self._cache.seconds(step, key=task.key) for task in tasks if task.name not in cached)
            timings.append(Timing(step=step, seconds=seconds, cached=all(task.name in cached for task in tasks)))
        return timings


def _pretrain_seed(task: Task) -> int:
    """Which pretraining of its arm; studies with one don't number it."""
    return int(task.labels.get("pretrain_seed", 0))


def _watched(lines: list[dict[str, Any]], name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Images seen and values at the moments that have one."""
    own = [line for line in lines if name in line]
    return np.array([line["images"] for line in own], dtype=np.int64), np.array([line[name] for line in own])
