"""What pretraining on other images sees, what the audit says of it, and the search for pairs between two stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import Row, context, write_split, write_store

from medtrimix.config.files import read_json
from medtrimix.data.options import AuditOptions, SplitOptions
from medtrimix.errors import InputError, LabelBudgetError, LeakageError
from medtrimix.steps import audit, duplicates, pool, split
from medtrimix.steps.context import read_warning

LEARNING = tuple(
    Row(f"s{number:02}", f"p{number:02}", number, label=("no", "yes")[number % 2], split=side)
    for number, side in enumerate(["train"] * 20 + ["val"] * 6 + ["test"] * 8)
)
CLEAN = tuple(Row(f"c{number:02}", f"q{number:02}", 100 + number) for number in range(12))
LEAKS = (
    Row("picture of val", "r1", 21),
    Row("other picture of r1", "r1", 201),
    Row("patient of test", "p30", 202),
    Row("patient of train", "p03", 203),
    Row("picture of train", "r2", 4),
)


def pooled(folder: Path, rows: tuple[Row, ...], *, on_leak: str = "drop") -> tuple[pool.Inputs, Path]:
    """The inputs and the folder of the step `pool`."""
    learning = write_store(folder / "learning", LEARNING)
    inputs = pool.Inputs(
        ingest=learning,
        split=write_split(folder / "split", LEARNING),
        pretraining=write_store(folder / "pretraining", rows),
        duplicates=folder / "between",
    )
    duplicates.run(
        duplicates.Config(likeness=0.95),
        inputs=duplicates.Inputs(ingest=inputs.ingest, pretraining=inputs.pretraining),
        out=folder / "between",
        context=context(folder / "between"),
    )
    config = pool.Config(audit=AuditOptions.model_validate({"on_leak": on_leak}))
    pool.run(config, inputs=inputs, out=folder / "pool", context=context(folder / "pool"))
    return inputs, folder / "pool"


def audited(folder: Path, inputs: pool.Inputs, *, on_leak: str, budget: float = 0.5) -> dict[str, object]:
    """The report of the step `audit`."""
    config = audit.Config(
        audit=AuditOptions.model_validate({"on_leak": on_leak}), draws=(audit.Draw(budget=budget, seed=0),)
    )
    given = audit.Inputs(
        ingest=inputs.ingest,
        split=inputs.split,
        pretraining=inputs.pretraining,
        pool=folder / "pool",
        between=inputs.duplicates,
    )
    audit.run(config, inputs=given, out=folder / "audit", context=context(folder / "audit"))
    report: dict[str, object] = read_json(audit.audit_file(folder / "audit"))
    return report


def seen(rows: tuple[Row, ...], folder: Path) -> set[str]:
    return {rows[row].sample for row in split.rows_of_side(folder, "train")}


def test_what_has_to_do_with_val_or_test_is_left_out(tmp_path: Path) -> None:
    inputs, out = pooled(tmp_path, CLEAN + LEAKS)
    assert seen(CLEAN + LEAKS, out) == {row.sample for row in CLEAN} | {"patient of train", "picture of train"}
    report = audited(tmp_path, inputs, on_leak="drop")
    assert (report["findings"], report["pretraining_images"], report["pretraining_dropped"]) == ([], 14, 3)
    named = [(found["kind"], found["samples"]) for found in report["resolved"]]  # type: ignore[attr-defined]
    assert named == [
        ("pretrained_patient", ["patient of test", "s30"]),
        ("pretrained_pixels", ["picture of val", "s21"]),
    ], "and the audit says what it was"


def test_with_fail_it_stays_and_the_audit_names_it(tmp_path: Path) -> None:
    inputs, out = pooled(tmp_path, CLEAN + LEAKS, on_leak="fail")
    assert len(seen(CLEAN + LEAKS, out)) == len(CLEAN + LEAKS)
    with pytest.raises(LeakageError, match=r"1 pretrained_patient, 1 pretrained_pixels[\s\S]*p30[\s\S]*picture of val"):
        audited(tmp_path, inputs, on_leak="fail")
    kinds = [found["kind"] for found in read_json(audit.audit_file(tmp_path / "audit"))["findings"]]
    assert kinds == ["pretrained_patient", "pretrained_pixels"], "the findings are there though the step failed"


def test_with_warn_the_step_warns(tmp_path: Path) -> None:
    inputs, _ = pooled(tmp_path, CLEAN + LEAKS, on_leak="warn")
    audited(tmp_path, inputs, on_leak="warn")
    assert read_warning(tmp_path / "audit").startswith("2 leaks")


def test_the_split_of_the_other_source_holds(tmp_path: Path) -> None:
    rows = tuple(
        Row(row.sample, row.patient, row.picture, split=side)
        for row, side in zip(CLEAN, ["train", "val", "test"] * 4, strict=True)
    )
    _, out = pooled(tmp_path, rows)
    assert seen(rows, out) == {row.sample for row in rows if row.split == "train"}


def test_a_source_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="None of the 1 images can be pretrained on"):
        pooled(tmp_path, (Row("c", "p30", 100),))


def test_a_budget_that_can_not_be_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    inputs, _ = pooled(tmp_path, CLEAN)
    with pytest.raises(LabelBudgetError, match="50 per class"):
        audited(tmp_path, inputs, on_leak="drop", budget=50)


def test_a_class_that_copies_took_out_of_val_is_told_when_sides_are_made(tmp_path: Path) -> None:
    rows = tuple(
        Row(f"s{row}", f"p{row}", picture, label=label, split=side)
        for row, (picture, label, side) in enumerate(
            [(0, "a", "train"), (1, "b", "train"), (2, "a", "val"), (3, "b", "val"), (4, "a", "test"), (3, "b", "test")]
        )
    )
    config = split.Config(split=SplitOptions(), audit=AuditOptions(), file_content="", seed=0)
    inputs = split.Inputs(ingest=write_store(tmp_path / "store", rows))
    with pytest.raises(InputError, match=r"Class 'b' .* 0 in val, 1 in test, 1 left out"):
        split.run(config, inputs=inputs, out=tmp_path / "split", context=context(tmp_path / "split"))


def test_a_search_that_is_stopped_leaves_no_pairs(tmp_path: Path) -> None:
    from dataclasses import replace

    from medtrimix.errors import Interrupted

    stopped = replace(context(tmp_path / "out"), should_stop=lambda: True)
    with pytest.raises(Interrupted):
        duplicates.run(
            duplicates.Config(likeness=0.95),
            inputs=duplicates.Inputs(ingest=write_store(tmp_path / "store", CLEAN)),
            out=tmp_path / "out",
            context=stopped,
        )
    assert not duplicates.pairs_file(tmp_path / "out").exists()
