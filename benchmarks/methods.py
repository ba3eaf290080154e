"""Every pretraining method on the same images: runs `studies/methods.yaml` in stages and writes `results/methods.md`.

    python benchmarks/methods.py --dataset pneumoniamnist --stage screening     half an hour on two cores
    python benchmarks/methods.py --dataset pneumoniamnist --stage finalists     half an hour
    python benchmarks/methods.py --dataset pneumoniamnist --stage finetuned     a quarter of an hour
    python benchmarks/methods.py --dataset pneumoniamnist --stage epochs        a quarter of an hour
    python benchmarks/methods.py --dataset pneumoniamnist --stage vit           half an hour
    python benchmarks/methods.py --stage beside                                 half an hour: other sets, with warnings
    python benchmarks/methods.py --dataset phantom --stage ...                  the same on synthetic patients
    python benchmarks/methods.py --quick --out FOLDER ...                       to see that it runs

`screening` compares all methods on the labelled folds and on val, with one pretraining each. The best rivals there, at
the fewest labels and at the most, meet TriMix and its own base loss in `finalists`, with more pretrainings (the first
ones are those of the screening) and judged on test: by linear probes, and in `finetuned` by finetuning. `epochs` gives
those arms as many passes over the images as the base had there, however often a step of theirs calls the encoder: those
that call it as often as the base are the finalists again. `vit` is for masked autoencoders, which need a transformer,
with controls of their own. Every stage goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from judging import Cell, FinishedStudy, Judged, difference, machine_line
from staged import DATASETS, run_study, signed

from medtrimix.config.files import read_json
from medtrimix.config.yaml import Document
from medtrimix.data.options import budget_name
from medtrimix.report.wording import strategy_title

HERE = Path(__file__).resolve().parent
STUDY = HERE / "studies" / "methods.yaml"
BESIDE = (HERE.parent / "pipelines" / "nih_cxr.yaml", HERE.parent / "pipelines" / "adrenal3d.yaml")
OURS, BASE, CONTROL = "trimix", "simclr_0.5", "scratch"
READINGS = {OURS: BASE, "trimix_0.2": "simclr", "trimix_0.1": "simclr_0.1"}
"""TriMix by the temperature of its base -> that base alone: as rivals may be tuned on the folds, so may TriMix."""

PRETRAININGS = {"pneumoniamnist": 5, "phantom": 3}
"""Of each finalist."""
SCREENING = {"pneumoniamnist": 500_000, "phantom": 200_000}
"""Images through the encoder; where it is what the finalists get, their first pretrainings are those."""
SCREENED = {"pneumoniamnist": 1, "phantom": 1}
"""Pretrainings of every arm in the screening."""
STAGES: dict[str, tuple[str, ...]] = {
    "screening": (
        "learn.strategies=[linear]",
        "learn.label_budgets=[0.01, 0.1]",
        "learn.label_seeds=[20, 5]",
    ),
    "finalists": ("pretrain.image_budget=500000", "learn.strategies=[linear]"),
    "finetuned": (
        "pretrain.image_budget=500000",
        "learn.strategies=[{strategy: finetune, encoder_lr: 0.001}]",
        "learn.label_seeds=[5, 3, 1]",
    ),
    "epochs": ("learn.strategies=[linear]",),
    "vit": (
        "pretrain.seeds=2",
        "pretrain.image_budget=200000",
        "pretrain.encoder={name: vit, width: 0.25}",
        "pretrain.arms={mae: {method: mae}, trimix: {method: trimix}, simclr: {method: simclr}, "
        "scratch: {method: none}}",
        "learn.label_seeds=[5, 3, 1]",
    ),
}
QUICK = ("pretrain.seeds=2", "learn.label_seeds=2", "evaluate.bootstrap=100")
QUICK_LENGTH = {"epochs": "pretrain.epochs=1"}

TITLES = {
    "screening": "Screening: every method, on images that choices may be made on",
    "finalists": "Finalists: linear probes, the same number of images through the encoder",
    "finetuned": "Finalists: finetuned, from the same pretrainings",
    "epochs": "Finalists: the same number of epochs",
    "vit": "Masked autoencoders and others, with a transformer",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=DATASETS, default="pneumoniamnist")
    parser.add_argument("--stage", choices=(*STAGES, "beside"), required=True)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the page")
    parser.add_argument("--quick", action="store_true", help="few images, few seeds; the numbers mean nothing")
    given = parser.parse_args()
    bench = _Benchmark(given.dataset, workspace=given.workspace, out=given.out, quick=given.quick)
    bench.beside() if given.stage == "beside" else bench.stage(given.stage)
    _assemble(given.out)
    return 0


class _Benchmark:
    def __init__(self, dataset: str, *, workspace: Path, out: Path, quick: bool) -> None:
        self._dataset, self._workspace, self._out, self._quick = dataset, workspace, out, quick
        self._parts = out / "methods"
        self._parts.mkdir(parents=True, exist_ok=True)

    def stage(self, stage: str) -> None:
        """Runs a stage, and writes its part of the page."""
        overrides = self._overrides(stage)
        command = run_study(STUDY, workspace=self._workspace, overrides=overrides)
        study = FinishedStudy(STUDY, workspace=self._workspace, overrides=overrides)
        if stage == "screening":
            table = _screened(study)
        elif stage == "epochs":
            table = _compared([self._finished("finalists"), study], strategies=("linear",))
        else:
            table = _compared([study])
        self._write(stage, study, table=table, command=command)

    def beside(self) -> None:
        """Runs the pipelines whose numbers rank nothing, and shows them with their warnings."""
        lines = ["## Beside: sets that rank no methods", ""]
        quick = ("pretrain.image_budget=1000",) if self._quick else ()
        for path in BESIDE:
            command = run_study(path, workspace=self._workspace, overrides=quick)
            results = read_json(self._workspace / "results" / Document(path).data["name"] / "results.json")
            lines += [f"### {results['study']}", "", results["description"], "", *_published(results), "", command, ""]
        (self._parts / "beside.part").write_text("\n".join(lines) + "\n")

    def _overrides(self, stage: str) -> tuple[str, ...]:
        name = (f"name=methods-{self._dataset}-{stage}",)
        chosen: tuple[str, ...] = ()
        if stage in ("finalists", "finetuned", "epochs"):
            arms = self._unequal_in_epochs() if stage == "epochs" else self._finalists()
            chosen = (f"pretrain.arms={json.dumps(arms)}", f"pretrain.seeds={PRETRAININGS[self._dataset]}")
        length: tuple[str, ...] = ()
        if self._quick:
            length = (QUICK_LENGTH.get(stage, "pretrain.image_budget=3000"), *QUICK)
        elif stage == "epochs":
            length = (f"pretrain.epochs={self._epochs_of_base()}",)
        elif stage == "screening":
            length = (f"pretrain.image_budget={SCREENING[self._dataset]}", f"pretrain.seeds={SCREENED[self._dataset]}")
        return (*name, *DATASETS[self._dataset], *STAGES[stage], *chosen, *length)

    def _finalists(self) -> dict[str, Any]:
        """TriMix, the control, and the folds' best reading and best rival at the fewest and at the most labels.

        Every reading brings its base alone.
        """
        study = self._finished("screening")
        judged = study.judge("folds")
        budgets = [budget_name(budget) for budget in study.plan.study.learn.label_budgets]

        def best(among: Sequence[str]) -> list[str]:
            ends = (budgets[0], budgets[-1])
            return [max(among, key=lambda arm: judged[arm, "linear", budget].auc) for budget in ends]

        readings = dict.fromkeys((OURS, *best(tuple(READINGS))))
        rivals = best([arm for arm in study.arms if arm not in (*READINGS, CONTROL)])
        names = (*readings, *(READINGS[reading] for reading in readings), *rivals, CONTROL)
        arms = Document(STUDY).data["pretrain"]["arms"]
        return {arm: arms[arm] for arm in dict.fromkeys(names)}

    def _unequal_in_epochs(self) -> dict[str, Any]:
        """Finalists whose step costs other passes than the base's: for them the same epochs mean another budget."""
        study = self._finished("finalists")
        passes = {arm: study.recorded(arm).get("passes") for arm in study.arms}
        arms = self._finalists()
        return {arm: arms[arm] for arm, number in passes.items() if number not in (None, passes[BASE])}

    def _epochs_of_base(self) -> int:
        return round(self._finished("finalists").recorded(BASE)["epochs"])

    def _finished(self, stage: str) -> FinishedStudy:
        return FinishedStudy(STUDY, workspace=self._workspace, overrides=self._overrides(stage))

    def _write(self, stage: str, study: FinishedStudy, *, table: Iterator[str], command: str) -> None:
        options = study.plan.study
        length = (
            f"{options.pretrain.epochs} epochs"
            if options.pretrain.epochs
            else f"{options.pretrain.image_budget:,} images through the encoder"
        )
        draws = ", ".join(
            f"{options.learn.seeds_of(budget)} at {budget_name(budget)}" for budget in options.learn.label_budgets
        )
        lines = [
            f"## {self._dataset}: {TITLES[stage]}",
            "",
            f"{options.pretrain.seeds} pretrainings of each arm, {length}, {options.pretrain.encoder.name} of width "
            f"{options.pretrain.encoder.width:g}; label draws: {draws}. Seed {options.seed}. {options.description}",
            "",
            *table,
            "",
            *self._figures(stage, study),
            f"Written on {datetime.now(UTC):%Y-%m-%d}; {machine_line()}.",
            "",
            command,
        ]
        (self._parts / f"{self._dataset}-{stage}.part").write_text("\n".join(lines) + "\n")

    def _figures(self, stage: str, study: FinishedStudy) -> Iterator[str]:
        """The report's own figures, where a study has all arms; those of the screening show test and stay out."""
        if stage not in ("finalists", "finetuned", "vit"):
            return
        figures = self._workspace / "results" / study.plan.study.name / "figures"
        for name in ("differences", "learning_curve"):
            shutil.copyfile(figures / f"{name}.svg", self._parts / f"{self._dataset}-{stage}-{name}.svg")
            yield f"![{name.replace('_', ' ')}](methods/{self._dataset}-{stage}-{name}.svg)"
            yield ""


def _screened(study: FinishedStudy) -> Iterator[str]:
    sides = {side: study.judge(side) for side in ("folds", "val")}
    budgets = [budget_name(budget) for budget in study.plan.study.learn.label_budgets]
    columns = {
        f"{side} {budget}": {arm: judged[arm, "linear", budget] for arm in study.arms}
        for budget in budgets
        for side, judged in sides.items()
    }
    first = next(iter(columns.values()))
    yield "Linear probes; `folds` are the training images that a probe has no labels of. Test is not looked at."
    owner = dict.fromkeys(study.arms, study)
    yield from _table(owner, columns, arms=sorted(study.arms, key=lambda arm: first[arm].auc, reverse=True))


def _compared(studies: Sequence[FinishedStudy], *, strategies: tuple[str, ...] = ()) -> Iterator[str]:
    """The arms of all studies; an arm of a later one takes the place of an earlier one's."""
    judged: dict[Cell, Judged] = {}
    owner: dict[str, FinishedStudy] = {}
    for study in studies:
        judged |= study.judge("test")
        owner |= dict.fromkeys(study.arms, study)
    columns: dict[str, dict[str, Judged]] = {}
    for arm, strategy, budget in judged:
        if not strategies or strategy in strategies:
            columns.setdefault(f"{strategy_title(strategy)} {budget}", {})[arm] = judged[arm, strategy, budget]
    ordered = dict(sorted(columns.items(), key=lambda item: ("linear" not in item[0], float(item[0].split()[-1][:-1]))))
    yield "AUC on test."
    yield from _table(owner, ordered, arms=tuple(owner))
    for reading, base in READINGS.items():
        if reading not in owner:
            continue
        if reading != OURS:
            yield ""
            yield f"The same with {reading} in TriMix's place."
            yield from _table(owner, ordered, arms=tuple(owner), ours=reading)
        if base in owner:
            gaps = {title: difference(of_arm[reading], of_arm[base]) for title, of_arm in ordered.items()}
            worst = min(gaps, key=lambda title: gaps[title].value)
            yield ""
            least = f"{signed(gaps[worst])} ({worst})"
            yield f"Least of the differences between {reading} and {base}, its base alone: {least}."


def _table(
    owner: Mapping[str, FinishedStudy],
    columns: Mapping[str, Mapping[str, Judged]],
    *,
    arms: Sequence[str],
    ours: str = OURS,
) -> Iterator[str]:
    alone = all(judged.auc_PL.shape[0] == 1 for of_arm in columns.values() for judged in of_arm.values())
    yield (
        f"Below each AUC {ours} minus this arm, paired, with a 95% interval over patients and label draws of this one "
        "pretraining: how much another pretraining would differ it does not say, so nothing is marked."
        if alone
        else f"Below each AUC {ours} minus this arm, paired, with a 95% interval over patients, pretrainings and label "
        "draws; bold: it excludes 0. Nothing is corrected for the number of comparisons."
    )
    yield ""
    yield f"| arm | {' | '.join(columns)} | seconds a pretraining | passes a step | epochs |"
    yield f"|---|{'--:|' * (len(columns) + 3)}"
    for arm in arms:
        cells = [_shown(of_arm[arm], ours=of_arm[ours], is_ours=arm == ours) for of_arm in columns.values()]
        facts = owner[arm].recorded(arm)
        cost = (
            [f"{owner[arm].seconds(arm):.0f}", f"{facts['passes']:.3g}", f"{facts['epochs']:.0f}"]
            if "epochs" in facts
            else ["", "", ""]
        )
        yield f"| {f'**{arm}**' if arm == ours else arm} | {' | '.join([*cells, *cost])} |"


def _shown(judged: Judged, *, ours: Judged, is_ours: bool) -> str:
    auc = f"{judged.auc:.4f}".removeprefix("0")
    return auc if is_ours else f"{auc}<br>{signed(difference(ours, judged), marked=judged.auc_PL.shape[0] > 1)}"


def _published(results: Mapping[str, Any]) -> Iterator[str]:
    """The table of a report: AUC of each arm on test with its interval."""
    yield "| learner | labels | arm | AUC [95% interval] |"
    yield "|---|---|---|--:|"
    for row in results["summaries"]:
        auc = row["metrics"]["auc"]
        shown = f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]"
        yield f"| {strategy_title(row['strategy'])} | {row['n_labels']} ({row['budget']}) | {row['arm']} | {shown} |"


def _assemble(out: Path) -> None:
    """The page from the parts that are there."""
    names = [
        f"{dataset}-{stage}"
        for dataset in DATASETS
        for stage in ("finalists", "finetuned", "epochs", "screening", "vit")
    ]
    parts = [out / "methods" / f"{name}.part" for name in (*names, "beside")]
    lines = [
        "# Pretraining methods compared",
        "",
        "Written by `python benchmarks/methods.py`, stage by stage.",
        "",
        "What is told here as judged on test was judged there once. But PneumoniaMNIST's test set is not untouched: "
        "TriMix's default, SimCLR's temperature of 0.2 and the augmentation go back to exploratory runs in which every "
        "number was looked at on it. The phantom's has not been seen before.",
        "",
    ]
    (out / "methods.md").write_text("\n".join([*lines, *(path.read_text() for path in parts if path.is_file())]))
    print(f"{out / 'methods.md'} written")


if __name__ == "__main__":
    sys.exit(main())
