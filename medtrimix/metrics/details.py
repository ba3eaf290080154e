"""What a cell has beside its metrics, and how that is kept as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medtrimix.metrics.bootstrap import Estimate
from medtrimix.metrics.calibration import ReliabilityBin, Temperature
from medtrimix.metrics.groups import GroupResult
from medtrimix.metrics.operating import OperatingPoint


@dataclass(frozen=True)
class Details:
    """Calibration, operating points and parts of the test set.

    Attributes:
        patients_by_class: test patients with an image of each class.
        temperature: fitted on val, or why not.
        reliability: bins of the probabilities as they are.
        reliability_calibrated: bins after temperature scaling; empty without a temperature.
        operating_points: for two classes, or each of several findings, one per aim, in the order asked for.
        groups: parts of the test set, by column, then value.
    """

    patients_by_class: tuple[int, ...]
    temperature: Temperature
    reliability: tuple[ReliabilityBin, ...]
    reliability_calibrated: tuple[ReliabilityBin, ...]
    operating_points: tuple[OperatingPoint, ...]
    groups: tuple[GroupResult, ...]


def as_facts(value: Estimate | Details) -> dict[str, Any]:
    """As JSON has it, NaN as null."""
    facts: dict[str, Any] = _with_nulls(asdict(value))
    return facts


def details_of(facts: Mapping[str, Any]) -> Details:
    """What `as_facts` was given."""
    return Details(
        patients_by_class=tuple(facts["patients_by_class"]),
        temperature=Temperature(**facts["temperature"]),
        reliability=tuple(ReliabilityBin(**each) for each in facts["reliability"]),
        reliability_calibrated=tuple(ReliabilityBin(**each) for each in facts["reliability_calibrated"]),
        operating_points=tuple(_operating_point(each) for each in facts["operating_points"]),
        groups=tuple(_group(each) for each in facts["groups"]),
    )


def estimate_of(facts: Mapping[str, Any]) -> Estimate:
    """What `as_facts` was given."""
    known: dict[str, Any] = {key: math.nan if value is None else value for key, value in facts.items()}
    return Estimate(**known)


def _operating_point(facts: Mapping[str, Any]) -> OperatingPoint:
    return OperatingPoint(**{**facts, **{side: estimate_of(facts[side]) for side in ("sensitivity", "specificity")}})


def _group(facts: Mapping[str, Any]) -> GroupResult:
    metrics = {name: estimate_of(found) for name, found in facts["metrics"].items()}
    lists = {name: tuple(facts[name]) for name in ("count_K", "missing")}
    return GroupResult(**{**facts, **lists, "metrics": metrics})


def _with_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_nulls(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nulls(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
