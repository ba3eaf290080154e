"""Label budgets: which labels a learner may see."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.data.groups import seeded_ranks
from medtrimix.data.options import LabelBudget, budget_name
from medtrimix.errors import LabelBudgetError
from medtrimix.findings import NO_FINDING, are_several, classes_of, present


def label_subset(
    index: pd.DataFrame, train_rows: npt.ArrayLike, *, budget: LabelBudget, seed: int
) -> npt.NDArray[np.int64]:
    """Rows (positions in `index`, ascending) whose labels the learner sees; unlabelled rows are never among them.

    Each class has one random order for a seed, and a budget takes its first n: the budget itself, or that fraction of
    the class, rounded half up and at least one. So a smaller budget's subset lies inside a larger one's, be it a count
    or a fraction, and every arm gets the same subsets. Rows with the same pixels count as different rows.

    With several findings there is one order of all images, in which each combination of findings is spread evenly. A
    fraction takes its first images, a count the first so many with each finding and as many without any. The first
    image with each finding, and the first one without it, are always taken.

    Raises:
        LabelBudgetError: a class has fewer labelled training images than the budget asks for.
    """
    rows = np.unique(np.asarray(train_rows, dtype=np.int64))
    table = index.iloc[rows][["label", "pixel_sha256", "sample_id"]].assign(row=rows)
    table = table[table["label"] != ""]
    table["rank"] = seeded_ranks(table["pixel_sha256"], seed=seed)
    table = table.sort_values(["rank", "sample_id"])
    if are_several(index["label"].unique()):
        return _of_several(table, names=classes_of(index["label"].unique()), budget=budget)
    taken = []
    for name, members in table.groupby("label"):
        size = class_size(len(members), budget=budget)
        if size > len(members):
            raise _too_many(budget, name=str(name), available=table["label"].value_counts())
        taken.append(members["row"].to_numpy()[:size])
    return np.sort(np.concatenate(taken))


def _of_several(table: pd.DataFrame, *, names: tuple[str, ...], budget: LabelBudget) -> npt.NDArray[np.int64]:
    of_combination = table.groupby("label")["row"]
    place = (of_combination.cumcount() + 0.5) / of_combination.transform("size")
    table = table.assign(place=place).sort_values(["place", "rank", "sample_id"])
    carriers = {name: table[[name in present(label) for label in table["label"]]] for name in names}
    counts = pd.Series({name: len(members) for name, members in carriers.items()})
    groups = list(carriers.values())
    others = [table[~table["row"].isin(members["row"])] for members in groups]
    if isinstance(budget, int):
        if budget > counts.min():
            raise _too_many(budget, name=str(counts.idxmin()), available=counts)
        groups.append(table[table["label"] == NO_FINDING])
        taken = [members["row"].to_numpy()[:budget] for members in groups]
    else:
        if counts.min() == 0:
            raise _too_many(1, name=str(counts.idxmin()), available=counts)
        first = table["row"].to_numpy()[: class_size(len(table), budget=budget)]
        taken = [first, *(members["row"].to_numpy()[:1] for members in groups)]
    taken += [members["row"].to_numpy()[:1] for members in others]
    return np.unique(np.concatenate(taken))


def _too_many(budget: LabelBudget, *, name: str, available: pd.Series[int]) -> LabelBudgetError:
    return LabelBudgetError(
        f"The label budget of {budget_name(budget)} asks for more than the {available[name]} labelled training "
        f"images of class {name!r}.",
        fix=f"The largest count that every class has is {available.min()}.",
    )


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
    has few to choose by. One image of each class comes first (of several findings: one with and one without each); then
    images in an order in which each class, or combination of findings, has had its share at any time, within an image
    or so. So subsets are stratified, and a smaller one lies inside every larger one of the same seed.

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
    table = table.assign(share=(place + 0.5) / size).sort_values(["share", "label"], kind="stable")
    table["first"] = False
    for has in _answers(table["label"]):
        table.loc[table.index[has][:1], "first"] = True
    table = table.sort_values("first", ascending=False, kind="stable")
    return np.sort(table["row"].to_numpy()[: max(most, int(table["first"].sum()))])


def _answers(label_N: pd.Series[str]) -> Iterator[npt.NDArray[np.bool_]]:
    """Which images are of each class, or have each finding, or have it not."""
    labels = label_N.to_numpy(dtype=str)
    several = are_several(set(labels))
    for name in classes_of(set(labels)):
        has_N = np.array([name in present(label) if several else label == name for label in labels])
        yield has_N
        if several:
            yield ~has_N
