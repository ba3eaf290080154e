"""Every learner, semi-supervised or not, on the same few labels: runs `studies/semi.yaml`, writes `results/semi.md`.

    python benchmarks/semi.py --dataset pneumoniamnist --stage learners    an hour and a half on two idle cores
    python benchmarks/semi.py --dataset pneumoniamnist --stage control     a quarter of an hour
    python benchmarks/semi.py --dataset phantom --stage learners           an hour
    python benchmarks/semi.py --dataset phantom --stage control            ten minutes
    python benchmarks/semi.py --quick --out FOLDER ...                     to see that it runs

`learners` is 8 learners x 3 encoders x 3 label budgets x 10 label draws; 450 of its 720 cells are semi-supervised and
take about 20 seconds of one core each at 28 x 28 pixels. `control` finetunes the same encoders with all labels, with
the same seeds, so that it is paired; the page needs both stages. Every stage goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from judging import Cell, FinishedStudy, Judged, difference, machine_line
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from staged import DATASETS, run_study, signed

from medtrimix.report.figures.style import SETTINGS
from medtrimix.report.wording import strategy_title

HERE = Path(__file__).resolve().parent
STUDY = HERE / "studies" / "semi.yaml"
UNTRAINED, SUPERVISED = "scratch", "finetune"
CONTROL: tuple[Cell, ...] = ((UNTRAINED, SUPERVISED, "10%"), (UNTRAINED, SUPERVISED, "100%"))
"""What few labels are to be worth as much as: the same network, without pretraining, with more labels."""
STAGES: dict[str, tuple[str, ...]] = {
    "learners": (),
    "control": ("learn.strategies=[finetune]", "learn.label_budgets=[1.0]"),
}
SHORT = "min_steps: 2, max_steps: 2, curve_points: 1"
QUICK = ("pretrain.image_budget=2000", "learn.label_seeds=1", "evaluate.bootstrap=100")
NETWORKS = ("finetune", "pseudo_label", "mean_teacher", "ict", "fixmatch", "flexmatch")
ARMS = {
    "pneumoniamnist": (),
    "phantom": (
        "pretrain.arms={trimix_0.1: {method: trimix, base: {method: simclr, temperature: 0.1}}, "
        "simclr_0.1: {method: simclr, temperature: 0.1}, scratch: {method: none}}",
    ),
}
"""Where TriMix's best reading and its best rival on the labelled folds (`methods.md`) are not those of the study."""
QUICK_LEARNERS = {
    "learners": (
        f"learn.strategies=[knn, linear, {', '.join(f'{{strategy: {name}, {SHORT}}}' for name in NETWORKS)}]",
        "learn.label_budgets=[0.01, 0.1]",
    ),
    "control": (f"learn.strategies=[{{strategy: finetune, {SHORT}}}]",),
}
COLOURS = ("#999999", "#56B4E9", "#000000", "#E69F00", "#CC79A7", "#009E73", "#0072B2", "#D55E00")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=DATASETS, default="pneumoniamnist")
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the page")
    parser.add_argument("--quick", action="store_true", help="few images, few seeds; the numbers mean nothing")
    given = parser.parse_args()
    overrides = {stage: _overrides(given.dataset, stage, quick=given.quick) for stage in STAGES}
    command = run_study(STUDY, workspace=given.workspace, overrides=overrides[given.stage])
    parts = given.out / "semi"
    parts.mkdir(parents=True, exist_ok=True)
    (parts / f"{given.dataset}-{given.stage}.command").write_text(command + "\n")
    if all((parts / f"{given.dataset}-{stage}.command").is_file() for stage in STAGES):
        studies = {
            stage: FinishedStudy(STUDY, workspace=given.workspace, overrides=overrides[stage]) for stage in STAGES
        }
        _write(given.dataset, studies, parts=parts)
    _assemble(given.out)
    return 0


def _overrides(dataset: str, stage: str, *, quick: bool) -> tuple[str, ...]:
    few = (*QUICK, *QUICK_LEARNERS[stage]) if quick else ()
    return (f"name=semi-{dataset}-{stage}", *DATASETS[dataset], *ARMS[dataset], *STAGES[stage], *few)


def _write(dataset: str, studies: Mapping[str, FinishedStudy], *, parts: Path) -> None:
    study = studies["learners"]
    judged = study.judge("test") | studies["control"].judge("test")
    _figure(study, judged).savefig(
        parts / f"{dataset}.svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
    )
    options = study.plan.study
    lines = [
        f"## {dataset}",
        "",
        f"One pretraining of each arm, {options.pretrain.image_budget:,} images through the encoder, "
        f"{options.pretrain.encoder.name} of width {options.pretrain.encoder.width:g}; {options.learn.label_seeds} "
        f"draws of labels. Seed {options.seed}. {options.description}",
        "",
        *_table(study, judged),
        "",
        *_arms(study, judged),
        "",
        *_bars(study, judged),
        "",
        f"![AUC by number of labels](semi/{dataset}.svg)",
        "",
        f"Written on {datetime.now(UTC):%Y-%m-%d}; {machine_line()}.",
        "",
        *(line for stage in STAGES for line in (parts / f"{dataset}-{stage}.command").read_text().splitlines()),
    ]
    (parts / f"{dataset}.part").write_text("\n".join(lines) + "\n")


def _table(study: FinishedStudy, judged: Mapping[Cell, Judged]) -> Iterator[str]:
    budgets, strategies = _budgets(judged), _strategies(study)
    yield (
        "AUC on test, below it the difference to finetuning the same encoder on the same labels, paired, with a 95% "
        "interval over patients and label draws of this one pretraining; bold: it excludes 0. Nothing is corrected for "
        "the number of comparisons."
    )
    for arm in study.arms:
        yield ""
        yield f"| {arm} | {' | '.join(budgets)} |"
        yield f"|---|{'--:|' * len(budgets)}"
        for strategy in strategies:
            cells = [_shown(judged, (arm, strategy, budget)) for budget in budgets]
            yield f"| {strategy_title(strategy)} | {' | '.join(cells)} |"


def _shown(judged: Mapping[Cell, Judged], cell: Cell) -> str:
    if cell not in judged:
        return ""
    auc = f"{judged[cell].auc:.4f}".removeprefix("0")
    arm, strategy, budget = cell
    if strategy == SUPERVISED:
        return auc
    return f"{auc}<br>{signed(difference(judged[cell], judged[arm, SUPERVISED, budget]))}"


def _arms(study: FinishedStudy, judged: Mapping[Cell, Judged]) -> Iterator[str]:
    """What the encoder is worth to each learner: the first arm against the others, on the same labels."""
    first, *others = study.arms
    budgets = [budget for budget in _budgets(judged) if budget != "100%"]
    yield f"The encoder's part: {first} minus the other two, by learner; paired as above."
    yield ""
    columns = [(other, budget) for other in others for budget in budgets]
    yield f"| learner | {' | '.join(f'minus {other}, {budget}' for other, budget in columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for strategy in _strategies(study):
        gaps = [
            signed(difference(judged[first, strategy, budget], judged[other, strategy, budget]))
            for other, budget in columns
        ]
        yield f"| {strategy_title(strategy)} | {' | '.join(gaps)} |"


def _bars(study: FinishedStudy, judged: Mapping[Cell, Judged]) -> Iterator[str]:
    """What few labels are worth: every learner from every arm against the control with ten times as many."""
    yield (
        "The same minus the supervised control, the network from scratch, finetuned with ten times as many labels. The "
        "highest of a column was picked on test and is too high for that."
    )
    yield ""
    pairs = list(zip(("1%", "10%"), CONTROL, strict=True))
    columns = [f"{arm}, {budget} - control, {control[2]}" for budget, control in pairs for arm in study.arms]
    yield f"| learner | {' | '.join(columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for strategy in _strategies(study):
        gaps = [
            signed(difference(judged[arm, strategy, budget], judged[control]))
            for budget, control in pairs
            for arm in study.arms
        ]
        yield f"| {strategy_title(strategy)} | {' | '.join(gaps)} |"
    controls = ", ".join(f"{judged[cell].auc:.4f} at {cell[2]}" for cell in CONTROL)
    yield ""
    yield f"The control's AUC: {controls}."


def _figure(study: FinishedStudy, judged: Mapping[Cell, Judged]) -> Figure:
    """AUC by label budget: a panel for each arm, a line for each learner, the controls dashed.

    The scale is that of learners that train the network; on frozen features of an untrained one others lie below it.
    """
    lowest = min(one.auc for (_, strategy, _), one in judged.items() if strategy in NETWORKS)
    highest = max(one.auc for one in judged.values())
    budgets = [budget for budget in _budgets(judged) if budget != "100%"]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(3.3 * len(study.arms), 4.4))
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(study.arms), sharey=True, squeeze=False)[0]
        for panel, arm in zip(panels, study.arms, strict=True):
            for strategy, colour in zip(_strategies(study), COLOURS, strict=True):
                values = [judged[arm, strategy, budget].auc for budget in budgets]
                panel.plot(budgets, values, color=colour, marker="o", markersize=3, label=strategy_title(strategy))
            for cell in CONTROL:
                panel.axhline(judged[cell].auc, color="#666666", linestyle="--", linewidth=0.8)
            panel.set_title(arm)
            panel.set_xlabel("labels")
        panels[0].set_ylim(lowest - 0.1 * (highest - lowest), highest + 0.05 * (highest - lowest))
        panels[0].set_ylabel("AUC on test")
        for cell in CONTROL:
            where = {"xy": (1.02, judged[cell].auc), "xycoords": ("axes fraction", "data")}
            panels[-1].annotate(f"{UNTRAINED},\n{cell[2]}", fontsize=7, va="center", color="#666666", **where)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _budgets(judged: Mapping[Cell, Judged]) -> list[str]:
    return sorted({budget for _, _, budget in judged}, key=lambda budget: float(budget.removesuffix("%")))


def _strategies(study: FinishedStudy) -> list[str]:
    return list(study.plan.study.learn.learners)


def _assemble(out: Path) -> None:
    """The page from the parts that are there."""
    parts = [out / "semi" / f"{dataset}.part" for dataset in DATASETS]
    lines = [
        "# Learners compared",
        "",
        "Written by `python benchmarks/semi.py`, stage by stage. Defaults were looked at on training images of "
        "PneumoniaMNIST that no learner saw; what is told here as judged on test was judged there once.",
        "",
    ]
    (out / "semi.md").write_text("\n".join([*lines, *(path.read_text() for path in parts if path.is_file())]))
    print(f"{out / 'semi.md'} written")


if __name__ == "__main__":
    sys.exit(main())
