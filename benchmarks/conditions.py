"""What the difference between TriMix and its base depends on.

Runs `studies/conditions.yaml` under one condition after the other and writes `results/conditions.md`.

    python benchmarks/conditions.py --workspace workspace     20 minutes on two cores; goes on where it was stopped
    python benchmarks/conditions.py --quick --out FILE        to see that it runs

Both arms meet the same condition. Judged on the labelled folds, never on test.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from judging import FinishedStudy, contrast, machine_line
from staged import run_study, signed

from medtrimix.data.options import budget_name

HERE = Path(__file__).resolve().parent
STUDY = HERE / "studies" / "conditions.yaml"
OURS, BASE = "trimix", "simclr_0.5"
QUICK = ("pretrain.image_budget=3000", "learn.label_seeds=2")


def _projector(**options: Any) -> tuple[str, ...]:
    base = {"method": "simclr", "temperature": 0.5, "projector": options}
    arms = {OURS: {"method": "trimix", "base": base}, BASE: base}
    return (f"pretrain.arms={json.dumps(arms)}",)


CONDITIONS: dict[str, tuple[str, ...]] = {
    "as in the ablation": (),
    "a quarter of the images": ("pretrain.image_budget=50000",),
    "batches of 64": ("pretrain.batch_size=64",),
    "batches of 1,024": ("pretrain.batch_size=1024",),
    "projector of 512 dimensions": _projector(dim=512),
    "projector with two hidden layers": _projector(hidden_layers=2),
    "three times the learning rate": ("pretrain.optimizer={learning_rate: 0.003}",),
    "a third of the learning rate": ("pretrain.optimizer={learning_rate: 0.0003}",),
    "a constant learning rate": ("pretrain.optimizer={final_learning_rate: 1.0}",),
    "views that differ little": ("pretrain.augment=light",),
    "views as of photographs": ("pretrain.augment=photo",),
}
"""In words -> what differs from the study's file."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "conditions.md")
    parser.add_argument("--quick", action="store_true", help="few images, few seeds; the numbers mean nothing")
    given = parser.parse_args()
    studies = {}
    for number, (words, changes) in enumerate(CONDITIONS.items()):
        overrides = (f"name=conditions-{number}", *changes, *(QUICK if given.quick else ()))
        run_study(STUDY, workspace=given.workspace, overrides=overrides)
        studies[words] = FinishedStudy(STUDY, workspace=given.workspace, overrides=overrides)
        given.out.write_text("\n".join(_page(studies)) + "\n")
    print(f"{given.out} written")
    return 0


def _page(studies: dict[str, FinishedStudy]) -> Iterator[str]:
    study = next(iter(studies.values())).plan.study
    budgets = [budget_name(budget) for budget in study.learn.label_budgets]
    yield "# What the difference between TriMix and its base depends on"
    yield ""
    yield (
        f"Written by `python benchmarks/conditions.py` on {datetime.now(UTC):%Y-%m-%d}; seed {study.seed}; "
        f"{machine_line()}. PneumoniaMNIST, {study.pretrain.seeds} pretrainings of each arm, "
        f"{study.pretrain.image_budget:,} images through a {study.pretrain.encoder.name} of width "
        f"{study.pretrain.encoder.width:g} where the condition says nothing else. AUC of linear probes on the "
        "training images that a probe has no labels of; TriMix minus SimCLR at the same temperature of 0.5, paired, "
        "with its 95% interval over patients, pretrainings and label draws (the spread of the latter two pooled over "
        "all conditions). Nothing is corrected for the number of conditions."
    )
    yield ""
    titles = [f"{arm} {budget}" for budget in budgets for arm in ("TriMix", "SimCLR", "difference")]
    yield f"| condition | `--set` | {' | '.join(titles)} |"
    yield f"|---|---|{'--:|' * len(titles)}"
    judged = {words: finished.judge("folds") for words, finished in studies.items()}
    for words, of_cell in judged.items():
        cells = []
        for budget in budgets:
            ours, base = of_cell[OURS, "linear", budget], of_cell[BASE, "linear", budget]
            pool = [others[arm, "linear", budget] for others in judged.values() for arm in (OURS, BASE)]
            gap = contrast([ours], [base], pool=pool)
            cells += [f"{ours.auc:.4f}"[1:], f"{base.auc:.4f}"[1:], signed(gap)]
        shown = "<br>".join(f"`{text}`" for text in CONDITIONS[words])
        yield f"| {words} | {shown} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
