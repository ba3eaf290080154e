"""Label budgets: which labels a learner may see."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.data.groups import seeded_ranks
from medtrimix.data.options import LabelBudget, budget_name
from medtrimix.errors import LabelBudgetError


def label_subset(
    index: pd.DataFrame, train_rows: npt.ArrayLike, *, budget: LabelBudget, seed: int
) -> npt.NDArray[np.int64]:
    """Rows (positions in `index`, ascending) whose labels the learner sees; unlabelled rows are never among them.

    Each class has one random order for a seed, and a budget takes its first n: the budget itself, or that fraction of
    the class, rounded half up and at least one. So a smaller budget's subset lies inside a larger one's, be it a count
    or a fraction, and every arm gets the same subsets. Rows with the same pixels count as different rows.

    Raises:
        LabelBudgetError: a class has fewer labelled training images than the budget asks for.
    """
    rows = np.unique(np.asarray(train_rows, dtype=np.int64))
    table = index.iloc[rows][["label", "pixel_sha256", "sample_id"]].assign(row=rows)
    table = table[table["label"] != ""]
    table["rank"] = seeded_ranks(table["pixel_sha256"], seed=seed)
    table = table.sort_values(["rank", "sample_id"])
    taken = []
    for name, members in table.groupby("label"):
        size = class_size(len(members), budget=budget)
        if size > len(members):
            raise LabelBudgetError(
                f"The label budget of {budget_name(budget)} asks for more than the {len(members)} labelled training "
                f"images of class {name!r}.",
                fix=f"The largest count that every class has is {table['label'].value_counts().min()}.",
            )
        taken.append(members["row"].to_numpy()[:size])
    return np.sort(np.concatenate(taken))


def class_size(available: int, *, budget: LabelBudget) -> int:
    """Labels that a budget takes from a class with `available` of them; a count is not capped."""
    if isinstance(budget, int):
        return budget
    return max(1, math.floor(budget * available + 0.5))


def realistic_validation(
    index: pd.DataFrame, val_rows: npt.ArrayLike, *, most: int, seed: int
) -> npt.NDArray[np.int64]:
    """Rows of val (positions in `index`, ascending), at most as many as there are labels to learn from.

    Oliver et al., "Realistic evaluation of deep semi-supervised learning algorithms", NeurIPS 2018: who has few labels
    has few to choose by. One image of each class comes first; then images in an order in which each class has had its
    share at any time, within an image or so. So subsets are stratified, and a smaller one lies inside every larger one
    of the same seed.

    Args:
        index: of the store.
        val_rows: labelled rows of val.
        most: how many; with fewer than classes, one of each class all the same, or nothing could be ranked.
        seed: of the order within a class.
    """
    rows = np.unique(np.asarray(val_rows, dtype=np.int64))
    table = index.iloc[rows][["label", "pixel_sha256", "sample_id"]].assign(row=rows)
    table["rank"] = seeded_ranks(table["pixel_sha256"], seed=seed)
    table = table.sort_values(["rank", "sample_id"])
    classes = table.groupby("label")
    place, size = classes.cumcount(), classes["row"].transform("size")
    table = table.assign(later=place > 0, share=(place + 0.5) / size).sort_values(
        ["later", "share", "label"], kind="stable"
    )
    return np.sort(table["row"].to_numpy()[: max(most, classes.ngroups)])
