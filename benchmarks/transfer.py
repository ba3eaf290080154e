"""Pretrained on one collection, learned on another: runs `studies/transfer.yaml` for each pair; `results/transfer.md`.

    python benchmarks/transfer.py --target pneumoniamnist      half an hour on two cores
    python benchmarks/transfer.py --target nih                 half an hour
    python benchmarks/transfer.py --quick --out FOLDER ...     to see that it runs

For each target: pretrained on its own training images, on the other collection and on synthetic patients, and from
scratch. A study has 2 arms x 3 pretrainings of 200,000 images (at 3,300 images a second and core: a minute each) and 54
finetuned cells of 5 to 25 seconds; with the control, which sees no pretraining data and is run once, a target comes to
about 20 + 40 minutes of one core. All studies of a target have the same split, labelled subsets and draws, so
differences are paired. What is done is not repeated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from judging import Cell, FinishedStudy, Judged, difference, machine_line

from medtrimix.config.files import read_json
from medtrimix.data.options import budget_name
from medtrimix.report.wording import number, strategy_title

HERE = Path(__file__).resolve().parent
STUDY = HERE / "studies" / "transfer.yaml"
CONTROL = "scratch"
SOURCES = {
    "pneumoniamnist": "source: '${MEDTRIMIX_DATA}/pneumoniamnist.npz'",
    "nih": "source: '${MEDTRIMIX_DATA}/nih_cxr'",
    "phantom": "source: phantom",
}
TARGETS = {
    "pneumoniamnist": (
        "data={source: '${MEDTRIMIX_DATA}/pneumoniamnist.npz', image_size: [28, 28]}",
        "description=PneumoniaMNIST, official split; 74% of val and 62.5% of test are pneumonia. No patient numbers.",
    ),
    "nih": (
        "data={source: '${MEDTRIMIX_DATA}/nih_cxr', labels: '${MEDTRIMIX_DATA}/nih_cxr/labels.csv', "
        "image_size: [28, 28]}",
        f"split.file={HERE.parent / 'data_manifests' / 'nih_cxr_split.csv'}",
        "description=1,000 images of NIH ChestX-ray14. The classes differ in acquisition, so this ranks no methods.",
    ),
}
QUICK = ("pretrain.image_budget=1000", "learn.label_seeds=1", "learn.label_budgets=[0.1]", "evaluate.bootstrap=100")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=TARGETS, required=True)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the page")
    parser.add_argument("--quick", action="store_true", help="few images, one seed; the numbers mean nothing")
    given = parser.parse_args()
    studies = {}
    for source in (given.target, *(name for name in SOURCES if name != given.target)):
        overrides = _overrides(given.target, source=source, quick=given.quick)
        sets = [part for text in overrides for part in ("--set", text)]
        command = ["medtrimix", "run", str(STUDY), "--workspace", str(given.workspace), *sets]
        subprocess.run([sys.executable, "-m", *command], check=True)
        studies[source] = FinishedStudy(STUDY, workspace=given.workspace, overrides=overrides)
    parts = given.out / "transfer"
    parts.mkdir(parents=True, exist_ok=True)
    (parts / f"{given.target}.part").write_text("\n".join(_section(given.target, studies, given.workspace)) + "\n")
    _assemble(given.out, parts=parts)


def _overrides(target: str, *, source: str, quick: bool) -> tuple[str, ...]:
    name = f"name=transfer-{source}-to-{target}"
    if source == target:
        return (name, *TARGETS[target], *(QUICK if quick else ()))
    arms = "pretrain.arms={trimix: {method: trimix}, simclr: {method: simclr, temperature: 0.5}}"
    return (name, *TARGETS[target], f"pretrain.data={{{SOURCES[source]}}}", arms, *(QUICK if quick else ()))


def _section(target: str, studies: dict[str, FinishedStudy], workspace: Path) -> Iterator[str]:
    judged = {source: study.judge("test") for source, study in studies.items()}
    own = judged[target]
    options = studies[target].plan.study
    budgets = [budget_name(budget) for budget in options.learn.label_budgets]
    columns = [(strategy, budget) for strategy in options.learn.learners for budget in budgets]
    yield f"## Learned on {target}"
    yield ""
    yield (
        f"{options.description} {options.pretrain.seeds} pretrainings of {options.pretrain.image_budget:,} images "
        "through the encoder. AUC on test with its 95% interval over patients; below it, minus the control from "
        "scratch, paired; bold: that interval, over patients, pretrainings and label draws, excludes 0."
    )
    yield ""
    titles = [f"{strategy_title(strategy)} {budget}" for strategy, budget in columns]
    yield f"| pretrained on | images | arm | {' | '.join(titles)} |"
    yield f"|---|--:|---|{'---|' * len(columns)}"
    for source, cells in judged.items():
        name = studies[source].plan.study.name
        published = workspace / "results" / name
        intervals = _intervals(read_json(published / "results.json"))
        images = read_json(published / "audit.json")["pretraining_images"]
        for arm in studies[source].arms:
            shown = [_cell(cells, own, intervals, cell=(arm, *column)) for column in columns]
            where = (
                ("nothing", "") if arm == CONTROL else (f"{source}{' (itself)' * (source == target)}", f"{images:,}")
            )
            yield f"| {' | '.join(where)} | {arm} | {' | '.join(shown)} |"
    yield ""
    yield f"Written on {datetime.now(UTC):%Y-%m-%d}; seed {options.seed}; {machine_line()}."
    yield ""
    yield f"    python benchmarks/transfer.py --target {target}"
    yield ""


def _intervals(results: dict[str, list[dict[str, object]]]) -> dict[Cell, str]:
    """AUC with its interval as the report has it, by arm, strategy and budget."""
    found = {}
    for row in results["summaries"]:
        auc = row["metrics"]["auc"]  # type: ignore[index]
        text = f"{number(auc['value'])} [{number(auc['low'])}, {number(auc['high'])}]"
        found[str(row["arm"]), str(row["strategy"]), str(row["budget"])] = text
    return found


def _cell(cells: dict[Cell, Judged], own: dict[Cell, Judged], intervals: dict[Cell, str], *, cell: Cell) -> str:
    if cell[0] == CONTROL:
        return intervals[cell]
    gap = difference(cells[cell], own[CONTROL, cell[1], cell[2]])
    text = f"{gap.value:+.3f} ± {gap.half:.3f}".replace("0.", ".")
    return f"{intervals[cell]}<br>{f'**{text}**' if gap.low > 0 or gap.high < 0 else text}"


def _assemble(out: Path, *, parts: Path) -> None:
    """The page from the parts of all targets that have been run."""
    lines = ["# Pretrained on one collection, learned on another", "", "Made by `benchmarks/transfer.py`.", ""]
    lines += [(parts / f"{name}.part").read_text() for name in TARGETS if (parts / f"{name}.part").is_file()]
    (out / "transfer.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
