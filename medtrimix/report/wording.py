"""Numbers and names as a paper prints them."""

from __future__ import annotations

import math

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.report.study import UNTRAINED, LabelsNeeded

METRIC_TITLES = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity_at_90_specificity": "Sensitivity at 90% specificity",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "ece": "Calibration error",
}
METHOD_TITLES = {
    "trimix": "TriMix",
    "simclr": "SimCLR",
    "barlow_twins": "Barlow Twins",
    "mixed_barlow_twins": "Mixed Barlow Twins",
    "vicreg": "VICReg",
    "simsiam": "SimSiam",
    "byol": "BYOL",
    "moco_v2": "MoCo v2",
    "i_mix": "i-Mix",
    "mae": "MAE",
    "checkpoint": "from a checkpoint",
    "none": "from scratch",
}
STRATEGY_TITLES = {
    "knn": "nearest neighbours",
    "linear": "linear probe",
    "finetune": "finetuned",
    "pseudo_label": "pseudo-labels",
    "mean_teacher": "Mean Teacher",
    "ict": "ICT",
    "fixmatch": "FixMatch",
    "flexmatch": "FlexMatch",
}


def number(value: float) -> str:
    """Three decimals without a leading zero: `.953`, `-.004`, `1.000`."""
    text = f"{value:.3f}"
    if text == "-0.000":
        text = "0.000"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def interval(estimate: Estimate) -> str:
    """Value with its 95% interval: `.953 [.932, .971]`; without one `.953 [not known]`."""
    if math.isnan(estimate.low):
        return f"{number(estimate.value)} [not known]"
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def signed_interval(estimate: Estimate) -> str:
    """A difference with its 95% interval: `+.031 [+.004, +.059]`; without one `+.031 [not known]`."""
    if math.isnan(estimate.low):
        return f"{_signed(estimate.value)} [not known]"
    value, low, high = (_signed(part) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def p_in_words(p: float) -> str:
    """`p = .012`, `p < .001`; nothing where there is none."""
    if math.isnan(p):
        return ""
    return "p < .001" if p < 0.001 else f"p = {number(p)}"


def about(amount: float) -> str:
    """Two significant digits, as an estimate deserves: `320`, `4,700`, `47`."""
    digits = max(0, len(str(int(amount))) - 2)
    return f"{round(amount, -digits):,.0f}"


def labels_needed(needed: LabelsNeeded) -> str:
    """A crossing with its range: `about 320 [180, 900]`, `about 320 [≤47, >4,698]`, `at most 47`, `more than 4,698`."""
    if needed.low == needed.high or math.isnan(needed.low):
        return _value_needed(needed)
    ends = (_end_needed(end, needed) for end in (needed.low, needed.high))
    return f"{_value_needed(needed)} [{', '.join(ends)}]"


def arm_title(arm: str, *, method: str) -> str:
    """How the arm is called in figures and prose: the method's name, with the arm's where they differ."""
    title = METHOD_TITLES.get(method, method)
    plain = arm.lower().replace("-", "_")
    return title if plain in (method, "scratch", title.lower().replace(" ", "_")) else f"{arm} ({title})"


def learner_title(arm: str, *, method: str, strategy: str, same_network: bool = True) -> str:
    """One way of learning, in prose: `TriMix (linear probe)`, `the same network from scratch (finetuned)`.

    `same_network` is false where another arm brings a network of its own.
    """
    title = arm_title(arm, method=method)
    if title == METHOD_TITLES[UNTRAINED]:
        title = f"the same network {title}" if same_network else f"a network {title}"
    return f"{title} ({strategy_title(strategy)})"


def strategy_title(strategy: str) -> str:
    """How the learner is called in figures and prose."""
    return STRATEGY_TITLES.get(strategy, strategy.replace("_", " "))


def metric_title(metric: str) -> str:
    """How the metric is called in figures and prose."""
    return METRIC_TITLES.get(metric, metric.replace("_", " "))


def count(amount: int, noun: str) -> str:
    """`1 image`, `1,248 images`; irregular plurals are given as `class|classes`."""
    singular, _, plural = noun.partition("|")
    return f"{amount:,} {singular if amount == 1 else plural or singular + 's'}"


def _value_needed(needed: LabelsNeeded) -> str:
    if needed.value <= needed.fewest:
        return f"at most {needed.fewest:,}"
    return f"more than {needed.most:,}" if math.isinf(needed.value) else f"about {about(needed.value)}"


def _end_needed(end: float, needed: LabelsNeeded) -> str:
    if end <= needed.fewest:
        return f"≤{needed.fewest:,}"
    return f">{needed.most:,}" if math.isinf(end) else about(end)


def _signed(value: float) -> str:
    text = number(value)
    return text if text.startswith("-") or text == ".000" else f"+{text}"
