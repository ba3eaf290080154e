"""The split into train, validation and test: by patient and by picture, stratified, reproducible."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from medtrimix.config.digest import seed_from
from medtrimix.data.groups import connected_groups, seeded_ranks
from medtrimix.data.likeness import NearDuplicates
from medtrimix.data.options import SplitOptions
from medtrimix.errors import InputError
from medtrimix.findings import are_several, classes_of, present

SIDES = ("train", "val", "test")
FILE_KEYS = ("pixel_sha256", "sample_id", "patient_id")
"""Columns by which a frozen split may name its images."""

Texts: TypeAlias = "pd.Series[str]"


def split_by_patient(
    index: pd.DataFrame, *, options: SplitOptions, seed: int, near: NearDuplicates | None = None
) -> Texts:
    """`train`, `val` or `test` for each row, on the rows' own index.

    A frozen split file decides if there is one, then the split that the source brings, else patients are dealt:

    1. Rows that share a patient or a picture, or show nearly the same one (`near`), form a group, and a group is never
       cut (`connected_groups`).
    2. Groups without any label go to train. The others are listed by the classes that they have (`{a}`, `{b}`,
       `{a, b}` are three strata), then by their number of images, then at random.
    3. Test takes a systematic sample of that list with a random start, validation another of what is left: every group
       has the chance that `options` says, and each stratum is within about one group of its share.

    Raises:
        InputError: a class is missing on one side, a split is incomplete or names an unknown side.
    """
    if options.file is not None:
        split = _frozen_split(index, file=Path(options.file))
    elif (index["split"] != "").any():
        split = _source_split(index)
    else:
        split = _dealt_split(index, options=options, seed=seed, near=near)
    require_every_class(index, split)
    return split


def systematic_sample(count: int, *, share: float, start: float) -> npt.NDArray[np.bool_]:
    """Which of `count` places in a list are taken, `share` of them at even distances; `start` in 0..1 shifts the grid.

    Any stretch of the list of length L has `share * L` of them, rounded up or down. With a uniform `start` each place
    is taken with probability `share` (Madow and Madow, Ann. Math. Statist. 1944).
    """
    passed = np.floor(np.arange(count + 1) * share + start)
    return np.asarray(np.diff(passed) > 0)


def _dealt_split(index: pd.DataFrame, *, options: SplitOptions, seed: int, near: NearDuplicates | None) -> Texts:
    group_N = connected_groups(index, near=near)
    rows = pd.DataFrame(
        {"group": group_N, "label": index["label"].to_numpy(), "pixels": index["pixel_sha256"].to_numpy()}
    )
    groups = rows.groupby("group").agg(
        stratum=("label", lambda labels: "\n".join(sorted(set(labels) - {""}))),
        images=("label", "size"),
        name=("pixels", "min"),
    )
    groups["rank"] = seeded_ranks(groups["name"], seed=seed)
    listed = groups[groups["stratum"] != ""].sort_values(["stratum", "images", "rank"]).index.to_numpy()

    starts = np.random.default_rng(seed_from("split", seed)).random(2)
    in_test = systematic_sample(len(listed), share=options.test, start=starts[0])
    kept = listed[~in_test]
    in_val = systematic_sample(len(kept), share=options.val / (1 - options.test), start=starts[1])

    groups["side"] = "train"
    groups.loc[listed[in_test], "side"] = "test"
    groups.loc[kept[in_val], "side"] = "val"
    return rows["group"].map(groups["side"]).set_axis(index.index).rename("split")


def _source_split(index: pd.DataFrame) -> Texts:
    split = index["split"]
    missing = int((split == "").sum())
    if missing:
        raise InputError(
            f"The source gives a split for {len(split) - missing} of {len(split)} images.",
            fix="Give it for all images or for none.",
        )
    _require_known_sides(split, where="column `split` of the source")
    return split.rename("split")


def _frozen_split(index: pd.DataFrame, *, file: Path) -> Texts:
    where = f"split file {file.name}"
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
        raise InputError("The file can't be read as CSV.", where=where, fix="Check data.split.file.") from None
    keys = [name for name in FILE_KEYS if name in table.columns]
    if "split" not in table.columns or len(keys) != 1:
        raise InputError(
            "The file needs the column `split` and exactly one of " + ", ".join(FILE_KEYS) + ".", where=where
        )
    _require_known_sides(table["split"], where=where)
    sides = table.drop_duplicates([keys[0], "split"]).set_index(keys[0])["split"]
    if not sides.index.is_unique:
        raise InputError(f"The file puts {sides.index.duplicated().sum()} {keys[0]} on several sides.", where=where)
    split = index[keys[0]].map(sides)
    if split.isna().any():
        raise InputError(
            f"The file has no side for {split.isna().sum()} of {len(index)} images, matched by {keys[0]}.",
            where=where,
            fix="Pseudonyms depend on the site's secret: across sites, freeze splits by pixel_sha256.",
        )
    return split.rename("split")


def _require_known_sides(split: Texts, *, where: str) -> None:
    unknown = sorted(set(split) - set(SIDES))
    if unknown:
        raise InputError(f"A split is train, val or test, not {unknown[0]!r}.", where=where)


def require_every_class(index: pd.DataFrame, split: Texts) -> None:
    """Every class on every side; of several findings, images with and images without each.

    Raises:
        InputError: one is missing, or there are fewer than two classes.
    """
    labelled = index["label"] != ""
    labels = index.loc[labelled, "label"]
    classes = classes_of(labels.unique())
    if len(classes) < 2:
        raise InputError(
            f"The images have {len(classes)} class(es); a classifier needs at least two.", fix="Check data.label."
        )
    several = are_several(labels.unique())
    rows = pd.DataFrame({"label": labels, "side": split[labelled], "patient": index.loc[labelled, "patient_id"]})
    for name in classes:
        has = rows["label"].map({label: name in present(label) if several else label == name for label in set(labels)})
        _require_on_every_side(rows[has], what=f"Class {name!r}")
        if several:
            _require_on_every_side(rows[~has], what=f"The absence of {name!r}")


def _require_on_every_side(rows: pd.DataFrame, *, what: str) -> None:
    patients = rows.groupby("side")["patient"].nunique()
    count = {side: int(patients.get(side, 0)) for side in SIDES}
    if min(count.values()) == 0:
        numbers = ", ".join(f"{count[side]} in {side}" for side in SIDES)
        dropped = int(patients.drop(list(SIDES), errors="ignore").sum())
        raise InputError(
            f"{what} has too few patients for this split: {numbers}"
            f"{f', {dropped} left out for copies that val or test also have' if dropped else ''}.",
            fix="Each side needs at least one: more patients, or larger shares for val and test.",
        )
