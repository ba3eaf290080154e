"""Whether labelled subsets are what they should be: asked of the rows themselves, not of the code that draws them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.data.audit import Finding
from medtrimix.data.options import LabelBudget, budget_name
from medtrimix.data.split import Texts
from medtrimix.data.subsets import class_size
from medtrimix.findings import are_several, classes_of, present


class Subset(NamedTuple):
    """What a study learns from: a label budget, the seed of the draw, and its rows."""

    budget: LabelBudget
    seed: int
    row_N: npt.NDArray[np.int64]


def audit_subsets(index: pd.DataFrame, split: Texts, *, subsets: Sequence[Subset]) -> tuple[Finding, ...]:
    """A finding for each subset that is not what it should be.

    That is: it has a row outside train or without label, repeats one, is not stratified, or does not lie inside the
    subset of the same seed that takes as much of every class. Of several findings a fraction must take that many
    images, up to two more for each finding, and a count that many with each; some image must be without it.

    Args:
        index: the index of the store.
        split: the side of each row.
        subsets: all of them; a budget of 1 is not one of 1.0.
    """
    labelled = (split == "train").to_numpy() & (index["label"] != "").to_numpy()
    known, available = index["label"].unique(), index.loc[labelled, "label"]
    asked = _Findings(classes_of(known), images=len(available)) if are_several(known) else _Classes(available)
    findings = []
    for budget, seed, rows in subsets:
        name = f"{budget_name(budget)}, seed {seed}"
        outside = rows[~labelled[rows]]
        if len(outside):
            findings.append(_finding(index, outside, where=(name, *sorted(set(split.iloc[outside])))))
        if len(set(rows.tolist())) < len(rows) or not asked.stratified(index["label"].iloc[rows], budget=budget):
            findings.append(_finding(index, rows, where=(name, "not stratified")))
    for small, large in combinations(sorted(subsets, key=lambda subset: len(subset.row_N)), 2):
        missing = np.setdiff1d(small.row_N, large.row_N)
        if small.seed == large.seed and asked.inside(small.budget, large.budget) and len(missing):
            where = (budget_name(small.budget), f"not in {budget_name(large.budget)}")
            findings.append(_finding(index, missing, where=where))
    return tuple(findings)


class _Classes:
    """What budgets ask for where classes exclude each other."""

    def __init__(self, available: Texts) -> None:
        self._available = available.value_counts()

    def _sizes(self, budget: LabelBudget) -> dict[str, int]:
        return {str(name): class_size(int(n), budget=budget) for name, n in self._available.items()}

    def stratified(self, taken: Texts, *, budget: LabelBudget) -> bool:
        return bool(taken.value_counts().to_dict() == self._sizes(budget))

    def inside(self, small: LabelBudget, large: LabelBudget) -> bool:
        larger = self._sizes(large)
        return all(size <= larger[name] for name, size in self._sizes(small).items())


class _Findings:
    """The same for findings that can occur together."""

    def __init__(self, names: tuple[str, ...], *, images: int) -> None:
        self._names, self._images = names, images

    def stratified(self, taken: Texts, *, budget: LabelBudget) -> bool:
        least = budget if isinstance(budget, int) else 1
        carriers = [sum(name in present(label) for label in taken) for name in self._names]
        enough = all(least <= number < len(taken) for number in carriers)
        if isinstance(budget, int):
            return enough
        size = class_size(self._images, budget=budget)
        return enough and size <= len(taken) <= size + 2 * len(self._names)

    def inside(self, small: LabelBudget, large: LabelBudget) -> bool:
        return type(small) is type(large) and small <= large


def _finding(index: pd.DataFrame, rows: npt.NDArray[np.int64], *, where: tuple[str, ...]) -> Finding:
    members = index.iloc[rows]
    patients = tuple(sorted(set(members["patient_id"])))
    return Finding(kind="label_subset", sides=where, patients=patients, samples=tuple(members["sample_id"]))
