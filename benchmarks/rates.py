"""At what learning rate a pretrained encoder is finetuned best: judged on val, by which the default was chosen.

    python benchmarks/rates.py --workspace workspace      half an hour on two cores with the encoders of methods.py
    python benchmarks/rates.py --quick --out FILE         to see that it runs

Each rate finetunes the first pretraining of `methods.py` of TriMix and of its base, beside the network from scratch.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from judging import FinishedStudy, machine_line
from staged import DATASETS, run_study

from medtrimix.data.options import budget_name

HERE = Path(__file__).resolve().parent
STUDY = HERE / "studies" / "methods.yaml"
RATES = (1e-4, 3e-4, 1e-3, 3e-3)
TEMPERATURES = {"pneumoniamnist": 0.5, "phantom": 0.1}
"""Of both arms, as suits the images."""
QUICK = ("pretrain.image_budget=3000", "learn.label_seeds=1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "rates.md")
    parser.add_argument("--quick", action="store_true", help="few images, few seeds; the numbers mean nothing")
    given = parser.parse_args()
    lines = list(_heading())
    for dataset in DATASETS:
        studies = {}
        for rate in RATES:
            overrides = (*_overrides(dataset, rate), *(QUICK if given.quick else ()))
            run_study(STUDY, workspace=given.workspace, overrides=overrides)
            studies[rate] = FinishedStudy(STUDY, workspace=given.workspace, overrides=overrides)
        lines += _table(dataset, studies)
    given.out.write_text("\n".join(lines) + "\n")
    print(f"{given.out} written")
    return 0


def _overrides(dataset: str, rate: float) -> tuple[str, ...]:
    base = {"method": "simclr", "temperature": TEMPERATURES[dataset]}
    arms = {"trimix": {"method": "trimix", "base": base}, "simclr": base, "scratch": {"method": "none"}}
    return (
        f"name=rates-{dataset}-{rate:g}",
        *DATASETS[dataset],
        "pretrain.image_budget=500000",
        "pretrain.seeds=1",
        f"pretrain.arms={json.dumps(arms)}",
        f"learn.strategies=[{{strategy: finetune, encoder_lr: {rate}}}]",
        "learn.label_seeds=[3, 2, 1]",
    )


def _heading() -> Iterator[str]:
    yield "# The learning rate of a pretrained encoder"
    yield ""
    yield (
        f"Written by `python benchmarks/rates.py` on {datetime.now(UTC):%Y-%m-%d}; seed 17; {machine_line()}. AUC on "
        "val after finetuning with this peak rate (`encoder_lr`), mean over 3, 2 and 1 draws of labels; one "
        "pretraining, 500,000 images through the encoder. The network from scratch has its own rate of .001 throughout."
    )


def _table(dataset: str, studies: dict[float, FinishedStudy]) -> Iterator[str]:
    study = next(iter(studies.values())).plan.study
    budgets = [budget_name(budget) for budget in study.learn.label_budgets]
    yield from ("", f"## {dataset}", "")
    yield f"| arm | `encoder_lr` | {' | '.join(budgets)} |"
    yield f"|---|--:|{'--:|' * len(budgets)}"
    for arm in study.pretrain.arms:
        for rate, finished in studies.items():
            judged = finished.judge("val")
            cells = [f"{judged[arm, 'finetune', budget].auc:.4f}".removeprefix("0") for budget in budgets]
            if arm == "scratch" and rate != RATES[0]:
                continue
            yield f"| {arm} | {'' if arm == 'scratch' else f'{rate:g}'} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
