"""When `benchmarks/collapse.py` fails, and what it reads from curves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from collapse import BROKEN, HEALTHY, Case, Outcome, failed, page, read

from medtrimix.methods.options import SimCLROptions
from medtrimix.methods.table import METHODS
from medtrimix.steps.context import CURVES, Recorder

BROKEN_CASE, HEALTHY_CASE = Case(next(iter(BROKEN)), 256, 8), Case("simclr", 256, 8)


def outcome(alarm: str) -> Outcome:
    return Outcome(alarm, {"rankme": 3.0}, {"rankme": 2.0}, {"rankme": 2.0})


@pytest.mark.parametrize(
    ("case", "alarm", "miss"),
    [
        (BROKEN_CASE, "epoch 2: low", False),
        (BROKEN_CASE, "epoch 2.1: low", True),
        (BROKEN_CASE, "", True),
        (HEALTHY_CASE, "", False),
        (HEALTHY_CASE, "epoch 8: low", True),
    ],
)
def test_a_miss_is_a_late_alarm_or_a_false_one(case: Case, alarm: str, miss: bool) -> None:
    assert failed(case, outcome(alarm)) == miss
    summary = page([(case, outcome(alarm))], planned=2)
    told = "1 of 1 broken" if case.broken and not miss else "0 of 0 broken" if not case.broken else "0 of 1 broken"
    assert told in summary
    assert "1 of 2 planned" in summary


def test_an_alarm_that_passed_was_raised(tmp_path: Path) -> None:
    curve = [{"step": step, "rankme": 9.0, "feature_std": 0.1} for step in range(4)]
    (tmp_path / CURVES).write_text("".join(json.dumps(point) + "\n" for point in curve))
    recorder = Recorder(tmp_path)
    recorder.warn("epoch 1: low")
    standing = read(recorder, steps_per_epoch=1, embedding=0)
    assert (standing.alarm, standing.recovered) == ("epoch 1: low", False)
    recorder.pass_warning()
    passed = read(recorder, steps_per_epoch=1, embedding=0)
    assert (passed.alarm, passed.recovered) == ("epoch 1: low", True)
    assert failed(HEALTHY_CASE, passed)
    told = page([(HEALTHY_CASE, passed), (HEALTHY_CASE, standing)], planned=2)
    assert "| epoch 1, recovered |" in told
    assert "2 of 2 healthy ones raised one at any moment, 1 of which recovered by the end" in told


def test_every_method_of_the_table_is_asked() -> None:
    assert {type(options) for options in HEALTHY.values()} == set(METHODS)
    assert METHODS[SimCLROptions].__name__ == "SimCLR", "broken methods are not left there"


def test_values_are_those_at_the_ends_of_epochs_and_the_lowest(tmp_path: Path) -> None:
    ranks = {1: 9.0, 3: 7.0, 5: 8.0, 7: 6.5}
    points = [{"step": step, "loss": 1.0} | ({"rankme": ranks[step]} if step in ranks else {}) for step in range(8)]
    for point in points:
        if "rankme" in point:
            point |= {"feature_std": 0.1, "projector_feature_std": 0.01}
    (tmp_path / CURVES).write_text("".join(json.dumps(point) + "\n" for point in points))
    found = read(Recorder(tmp_path), steps_per_epoch=2, embedding=100)
    assert (found.first["rankme"], found.second["rankme"], found.lowest["rankme"]) == (9.0, 7.0, 6.5)
    assert found.first["projector_feature_std"] == pytest.approx(0.1)
    assert found.first["feature_std"] == pytest.approx(0.8)
    assert (found.alarm, found.alarm_epoch) == ("", math.inf)
