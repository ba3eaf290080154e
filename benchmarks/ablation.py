"""TriMix, one choice at a time: runs `studies/ablation.yaml` and writes `results/ablation.md`.

    python benchmarks/ablation.py --workspace workspace     about two hours on two cores; goes on where it was stopped
    python benchmarks/ablation.py --study ... --out ...     the smaller studies `ablation_more` and `ablation_phantom`
    python benchmarks/ablation.py --quick                   to see that it runs

Every arm is the default with one thing changed, so its difference to the default is what the change does. Judged on the
labelled folds and on val, never on test; tables are sorted by the folds at the smallest budget.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from judging import FinishedStudy, Gap, Judged, Side, contrast, difference, machine_line
from staged import signed

from medtrimix.config.yaml import Document
from medtrimix.data.options import budget_name
from medtrimix.pipeline.plan import Plan

HERE = Path(__file__).resolve().parent
STUDY = HERE / "studies" / "ablation.yaml"
QUICK = ("pretrain.image_budget=3000", "learn.label_seeds=2")

IDEAS = {
    "second": "two passes: view 1 only mixed, view 2 actual",
    "teacher": "the same, actual embeddings from a teacher without gradient",
    "hidden": "mixing of feature maps at each depth in turn",
    "features": "mixing of the encoder's features: no third pass",
    "light_0.2": "light mixing",
    "heavy_4": "heavy mixing",
    "ramp": "both terms grow over the first 30%",
    "cutmix": "a pasted box instead of a blend",
    "frequency": "each spatial frequency from one of the two",
    "near": "partners among near neighbours",
    "third": "both terms at three tenths of their weight",
    "features_third": "mixing of the encoder's features, both terms at three tenths",
    "three": "three images in a mixture",
    "head": "extraction by a small network that is told the share",
    "on_features": "consistency of the encoder's features",
    "near_ramp": "near partners and a ramp",
    "near_ramp_hidden": "near partners, a ramp, feature maps mixed",
}
"""Arms of the second table, in words; all others are in the first."""

FACTORIAL = {
    "simclr": {
        ("soft_assignment", True): "trimix",
        ("soft_assignment", False): "no_consistency",
        ("unmix", True): "unmix",
        ("unmix", False): "unmix_no_consistency",
        ("none", True): "no_extraction",
        ("none", False): "simclr_0.5",
    },
    "barlow_twins": {
        ("soft_assignment", True): "barlow_soft",
        ("soft_assignment", False): "barlow_soft_no_consistency",
        ("unmix", True): "barlow_unmix",
        ("unmix", False): "barlow_unmix_no_consistency",
        ("none", True): "barlow_no_extraction",
        ("none", False): "barlow_twins",
    },
}
"""Base -> (extraction, consistency) -> arm; without both terms TriMix is its base, with a third fewer passes a step."""

FAILED = 0.03
"""An arm that is somewhere so much below the default has failed; its spread says nothing about that of the others."""

Column = tuple[Side, str]
Arms = Mapping[str, Judged]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--study", type=Path, default=STUDY)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "ablation.md")
    parser.add_argument("--quick", action="store_true", help="few images, few seeds; the numbers mean nothing")
    arguments = parser.parse_args()
    overrides = QUICK if arguments.quick else ()
    command = [sys.executable, "-m", "medtrimix", "run", str(arguments.study)]
    sets = [part for text in overrides for part in ("--set", text)]
    subprocess.run([*command, "--workspace", str(arguments.workspace), *sets], check=True)
    study = FinishedStudy(arguments.study, workspace=arguments.workspace, overrides=overrides)
    arguments.out.write_text("\n".join(_page(study, path=arguments.study)) + "\n")
    print(f"{arguments.out} written")
    return 0


def _page(study: FinishedStudy, *, path: Path) -> Iterator[str]:
    sides: tuple[Side, ...] = ("folds", "val")
    judged = {side: study.judge(side) for side in sides}
    budgets = [budget_name(budget) for budget in study.plan.study.learn.label_budgets]
    columns: dict[Column, Arms] = {
        (side, budget): {arm: judged[side][arm, "linear", budget] for arm in study.arms}
        for budget in budgets
        for side in sides
    }
    first = next(iter(columns.values()))
    ordered = sorted(study.arms, key=lambda arm: first[arm].auc, reverse=True)
    default = study.arms[0]
    yield from _heading(study.plan, name=path.name)
    yield from _table("Factors and rivals", [arm for arm in ordered if arm not in IDEAS], study, columns, path=path)
    ideas = [arm for arm in ordered if arm in IDEAS or arm == default]
    yield from _table("Ideas, one at a time", ideas, study, columns, path=path)
    yield from _effects(columns)


def _table(
    title: str, arms: list[str], study: FinishedStudy, columns: Mapping[Column, Arms], *, path: Path
) -> Iterator[str]:
    given = Document(path).data["pretrain"]["arms"]
    default = study.arms[0]
    failed = {
        arm for of_arm in columns.values() for arm in study.arms if of_arm[arm].auc < of_arm[default].auc - FAILED
    }
    gaps = {column: _gaps(of_arm, plan=study.plan, failed=failed) for column, of_arm in columns.items()}
    yield from ("", f"## {title}", "", *_header("arm | ", columns))
    for arm in arms:
        cells = [_shown(of_arm[arm], gaps[column].get(arm)) for column, of_arm in columns.items()]
        name = f"**{arm}**" if arm == default else arm
        yield f"| {name} | {_what(arm, given=given[arm], default=default)} | {' | '.join(cells)} |"


def _gaps(arms: Arms, *, plan: Plan, failed: set[str]) -> dict[str, Gap]:
    """Every arm minus the default; spread is pooled over the default and the sound arms with the same base, if any."""
    default, *others = arms
    base = {arm: getattr(options, "base", options).method for arm, options in plan.study.pretrain.arms.items()}
    sound = [arm for arm in others if arm not in failed]
    pools = {name: [arms[default], *(arms[arm] for arm in sound if base[arm] == name)] for name in base.values()}
    return {
        arm: contrast([arms[arm]], [arms[default]], pool=pools[base[arm]])
        if len(pools[base[arm]]) > 1
        else difference(arms[arm], arms[default])
        for arm in others
    }


def _effects(columns: Mapping[Column, Arms]) -> Iterator[str]:
    yield from ("", "## Main effects of the two terms", "")
    yield "Means over the other factor; a positive number favours what is named first."
    yield from ("", *_header("base | effect", columns))
    for base, arm_of in FACTORIAL.items():
        if not all(arm in arms for arm in arm_of.values() for arms in columns.values()):
            continue  # a smaller study
        effects = {
            "consistency: with - without": ([k for k in arm_of if k[1]], [k for k in arm_of if not k[1]]),
            "soft assignment - no extraction": _extractions(arm_of, "soft_assignment", "none"),
            "unmix - no extraction": _extractions(arm_of, "unmix", "none"),
            "soft assignment - unmix": _extractions(arm_of, "soft_assignment", "unmix"),
        }
        for title, sides in effects.items():
            cells = []
            for arms in columns.values():
                plus, minus = ([arms[arm_of[key]] for key in keys] for keys in sides)
                cells.append(signed(contrast(plus, minus, pool=[arms[arm] for arm in arm_of.values()])))
            yield f"| {base} | {title} | {' | '.join(cells)} |"


Key = tuple[str, bool]


def _extractions(arm_of: Mapping[Key, str], one: str, other: str) -> tuple[list[Key], list[Key]]:
    return [key for key in arm_of if key[0] == one], [key for key in arm_of if key[0] == other]


def _header(left: str, columns: Mapping[Column, Arms]) -> Iterator[str]:
    titles = [f"{side} {budget}" for side, budget in columns]
    yield f"| {left} | {' | '.join(titles)} |"
    yield f"|---|---|{'--:|' * len(titles)}"


def _heading(plan: Plan, *, name: str) -> Iterator[str]:
    study = plan.study
    seeds = ", ".join(f"{study.learn.seeds_of(budget)} at {budget:g}" for budget in study.learn.label_budgets)
    yield "# TriMix, one choice at a time"
    yield ""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    yield f"Written by `python benchmarks/ablation.py` on {today}; study `{name}`, seed {study.seed}."
    yield (
        f"Each arm is pretrained {study.pretrain.seeds} times on {study.pretrain.image_budget:,} images through a "
        f"{study.pretrain.encoder.name} of width {study.pretrain.encoder.width:g}; label draws: {seeds}."
    )
    yield f"Machine: {machine_line()}."
    yield ""
    yield (
        "AUC of linear probes, and below it the paired difference to the default with its 95% interval over "
        "patients, pretrainings and label draws (the spread of the latter two pooled over sound arms with the same "
        "base, or where there are none the pair's own). `folds` are the training images that a probe has no "
        "labels of, `val` is the validation set; test is not looked at. Nothing is corrected for the number of "
        "comparisons."
    )


def _what(arm: str, *, given: Mapping[str, object], default: str) -> str:
    """What differs, in the words of the pipeline file."""
    if arm == default:
        return "the default"
    options = {key: value for key, value in given.items() if (key, value) != ("method", "trimix")}
    settings = f"`{_flow(options)[1:-1]}`"
    return f"{IDEAS[arm]}: {settings}" if arm in IDEAS else settings


def _flow(value: object) -> str:
    """YAML on one line."""
    if not isinstance(value, dict):
        return str(value)
    return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"


def _shown(judged: Judged, gap: Gap | None) -> str:
    auc = f"{judged.auc:.4f}".removeprefix("0")
    return auc if gap is None else f"{auc}<br>{signed(gap)}"


if __name__ == "__main__":
    sys.exit(main())
