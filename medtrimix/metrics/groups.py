"""One classifier on parts of the test set: by site, by device, by whatever column of the index tells images apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from medtrimix.metrics.bootstrap import Estimate, bootstrap_metrics
from medtrimix.metrics.definitions import METRICS, Floats, Ints, Metric
from medtrimix.metrics.findings import one_finding
from medtrimix.metrics.interval import estimates_of, patients_of_classes

GROUP_METRICS = ("auc", "accuracy", "balanced_accuracy")
MOST_GROUPS = 20
"""Values of a column; one with more tells single images apart, not kinds of them."""


@dataclass(frozen=True)
class GroupResult:
    """The metrics of the images that share a value of a column.

    Attributes:
        column: such as "device".
        value: such as a device's pseudonym, "" where the source knows none.
        n, n_patients: images and patients.
        count_K: images of each class.
        metrics: name -> value with its interval; empty where a class is missing.
        missing: names of the classes that it has no image of, or of findings that are in none or in all, so that there
            is nothing to rank.
    """

    column: str
    value: str
    n: int
    n_patients: int
    count_K: tuple[int, ...]
    metrics: Mapping[str, Estimate]
    missing: tuple[str, ...]


def breakdown(
    probability_NK: Floats,
    target_N: Ints,
    patient_N: npt.NDArray[np.str_],
    group_N: npt.ArrayLike,
    *,
    column: str,
    classes: tuple[str, ...],
    draws: int,
    seed: int,
    more: Mapping[str, Metric] = MappingProxyType({}),
) -> tuple[GroupResult, ...]:
    """One result per value, in sorted order; empty with fewer than two values, or more than `MOST_GROUPS`.

    Groups are evaluated each on its own, by `GROUP_METRICS` and `more`. An interval that leaves out another's value is
    no test of their difference.
    """
    groups_N = np.asarray(group_N).astype(str)
    values = np.unique(groups_N)
    if not 2 <= len(values) <= MOST_GROUPS:
        return ()
    return tuple(
        _group(
            probability_NK[here_N],
            target_N[here_N],
            patient_N[here_N],
            column=column,
            value=str(value),
            classes=classes,
            draws=draws,
            seed=seed,
            more=more,
        )
        for value in values
        if len(here_N := np.flatnonzero(groups_N == value))
    )


def by_finding(
    probability_NL: Floats,
    target_NL: Ints,
    patient_N: npt.NDArray[np.str_],
    *,
    names: tuple[str, ...],
    draws: int,
    seed: int,
) -> tuple[GroupResult, ...]:
    """One result for each of several findings, over all images: classes are then its absence and its presence."""
    return tuple(
        _group(
            *one_finding(probability_NL, target_NL, number=number),
            patient_N,
            column="finding",
            value=name,
            classes=("no", "yes"),
            draws=draws,
            seed=seed,
        )
        for number, name in enumerate(names)
    )


def _group(
    probability_NK: Floats,
    target_N: Ints,
    patient_N: npt.NDArray[np.str_],
    *,
    column: str,
    value: str,
    classes: tuple[str, ...],
    draws: int,
    seed: int,
    more: Mapping[str, Metric] = MappingProxyType({}),
) -> GroupResult:
    several = target_N.ndim == 2
    found_K = target_N.sum(axis=0) if several else np.bincount(target_N, minlength=len(classes))
    count_K = tuple(int(count) for count in found_K)
    unable = {0, len(target_N)} if several else {0}
    missing = tuple(name for name, count in zip(classes, count_K, strict=True) if count in unable)
    metrics = {}
    if not missing:
        chosen = {name: METRICS[name] for name in GROUP_METRICS} | dict(more)
        patients_K = patients_of_classes(target_N, patient_N, classes=len(classes))
        found = bootstrap_metrics(probability_NK, target_N, patient_N, draws=draws, seed=seed, metrics=chosen)
        metrics = estimates_of(found, patients_K=patients_K)
    return GroupResult(column, value, len(target_N), len(np.unique(patient_N)), count_K, metrics, missing)
