"""The frozen splits of the repository: their format, and that they are read back as they stand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from medtrimix.data.options import SplitOptions
from medtrimix.data.split import SIDES, split_by_patient
from medtrimix.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "data_manifests"
SPLITS = sorted(FOLDER.glob("*_split.csv"))


def mistakes(table: pd.DataFrame) -> list[str]:
    """What is wrong with a frozen split."""
    if list(table.columns) != ["pixel_sha256", "patient", "split"]:
        return ["columns"]
    rules = {
        "digests": table["pixel_sha256"].str.fullmatch("[0-9a-f]{64}").all(),
        "order": table["pixel_sha256"].is_monotonic_increasing and table["pixel_sha256"].is_unique,
        "patient names": table["patient"].str.fullmatch(r"p\d{6}").all(),
        "sides": table["split"].isin(SIDES).all(),
        "patients on two sides": table[["patient", "split"]].drop_duplicates()["patient"].is_unique,
    }
    return [name for name, kept in rules.items() if not kept]


@pytest.fixture(params=SPLITS, ids=lambda path: path.stem)
def frozen(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str)


def test_a_frozen_split_keeps_the_rules(frozen: Path) -> None:
    assert mistakes(read(frozen)) == []


@pytest.mark.parametrize(
    ("column", "value", "mistake"),
    [
        ("pixel_sha256", "MRN0001", "digests"),
        ("patient", "MRN0001", "patient names"),
        ("split", "holdout", "sides"),
    ],
)
def test_mistakes_are_found(frozen: Path, column: str, value: str, mistake: str) -> None:
    table = read(frozen)
    table.loc[0, column] = value
    assert mistake in mistakes(table)


def test_a_patient_on_two_sides_is_found(frozen: Path) -> None:
    table = read(frozen)
    repeated = table.index[table["patient"].duplicated()][0]
    table.loc[repeated, "split"] = "val" if table.loc[repeated, "split"] == "train" else "train"
    assert mistakes(table) == ["patients on two sides"]
    assert mistakes(table.iloc[::-1].reset_index(drop=True)) == ["order", "patients on two sides"]


def index_of(table: pd.DataFrame) -> pd.DataFrame:
    """An index with these pictures, both classes on every side."""
    return pd.DataFrame(
        {
            "sample_id": [f"s{row}" for row in range(len(table))],
            "patient_id": table["patient"],
            "label": ["ab"[number % 2] for number in table.groupby("split").cumcount()],
            "split": "",
            "pixel_sha256": table["pixel_sha256"],
        }
    )


def test_it_is_read_back_whatever_the_seed_and_the_order(frozen: Path) -> None:
    table = read(frozen)
    index = index_of(table).sample(frac=1, random_state=3)
    split = split_by_patient(index, options=SplitOptions(file=str(frozen)), seed=99)
    assert split.sort_index().tolist() == table["split"].tolist()


def test_an_image_without_a_side_is_an_error(frozen: Path) -> None:
    index = index_of(read(frozen))
    index.loc[0, "pixel_sha256"] = "0" * 64
    with pytest.raises(InputError, match="no side for 1 of"):
        split_by_patient(index, options=SplitOptions(file=str(frozen)), seed=0)
