"""Whether labelled subsets are what they should be: asked of the rows themselves, not of the code that draws them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.data.audit import Finding
from medtrimix.data.options import LabelBudget, budget_name
from medtrimix.data.split import Texts
from medtrimix.data.subsets import class_size

Draw: TypeAlias = tuple[LabelBudget, int]
"""A label budget and the seed of the draw."""


def audit_subsets(
    index: pd.DataFrame, split: Texts, *, subsets: Mapping[Draw, npt.NDArray[np.int64]]
) -> tuple[Finding, ...]:
    """A finding for each subset that is not what it should be.

    That is: it has a row outside train or without label, repeats one, is not stratified, or does not lie inside the
    subset of the same seed that takes as much of every class.

    Args:
        index: the index of the store.
        split: the side of each row.
        subsets: rows by budget and seed.
    """
    labelled = (split == "train").to_numpy() & (index["label"] != "").to_numpy()
    available = index.loc[labelled, "label"].value_counts()
    findings = []
    sizes: dict[Draw, dict[str, int]] = {}
    for (budget, seed), rows in subsets.items():
        name = f"{budget_name(budget)}, seed {seed}"
        sizes[budget, seed] = {str(label): class_size(int(n), budget=budget) for label, n in available.items()}
        outside = rows[~labelled[rows]]
        if len(outside):
            findings.append(_finding(index, outside, where=(name, *sorted(set(split.iloc[outside])))))
        taken = index["label"].iloc[rows].value_counts().to_dict()
        if len(set(rows.tolist())) < len(rows) or taken != sizes[budget, seed]:
            findings.append(_finding(index, rows, where=(name, "not stratified")))
    for (small, own), (large, other) in combinations(sorted(subsets, key=lambda draw: len(subsets[draw])), 2):
        inside = all(size <= sizes[large, other][label] for label, size in sizes[small, own].items())
        missing = np.setdiff1d(subsets[small, own], subsets[large, other])
        if own == other and inside and len(missing):
            findings.append(_finding(index, missing, where=(budget_name(small), f"not in {budget_name(large)}")))
    return tuple(findings)


def _finding(index: pd.DataFrame, rows: npt.NDArray[np.int64], *, where: tuple[str, ...]) -> Finding:
    members = index.iloc[rows]
    patients = tuple(sorted(set(members["patient_id"])))
    return Finding(kind="label_subset", sides=where, patients=patients, samples=tuple(members["sample_id"]))
