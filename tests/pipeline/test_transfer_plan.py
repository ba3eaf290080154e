"""Pretraining on other data than what is learned from: what the plan has, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_plan import keys

from medtrimix.errors import ConfigError
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.plan import Plan, make_plan
from medtrimix.pipeline.study import Study

SMOKE = Path(__file__).resolve().parents[2] / "pipelines" / "smoke.yaml"
ELSEWHERE = "pretrain.data={source: phantom}"


def study(*overrides: str) -> Study:
    return load_study(SMOKE, overrides=overrides)


def plan(workspace: Path, *overrides: str) -> Plan:
    found = study(*overrides)
    return make_plan(found, machine=resolve(found.compute), workspace=workspace)


def test_the_same_kind_of_source_is_another_cohort(tmp_path: Path) -> None:
    tasks = {task.name: task for task in plan(tmp_path, ELSEWHERE).tasks}
    assert tasks["ingest"].key != tasks["ingest pretraining"].key
    trained = tasks["pretrain trimix"]
    assert trained.inputs["ingest"] == tasks["pool"].inputs["pretraining"] == tasks["audit"].inputs["pretraining"]
    assert tasks["learn trimix linear 100% 0"].inputs["ingest"] == tasks["audit"].inputs["ingest"]


def test_arms_that_train_nothing_are_those_of_the_study_without_it(tmp_path: Path) -> None:
    before, after = keys(tmp_path), keys(tmp_path, ELSEWHERE)
    assert {name for name in before if "scratch" in name and before[name] != after[name]} == set()
    assert before["pretrain trimix"] != after["pretrain trimix"], "the comparison can tell"
    assert (before["split"], before["duplicates"]) == (after["split"], after["duplicates"])


def test_pretraining_waits_for_the_audit_but_does_not_depend_on_it(tmp_path: Path) -> None:
    tasks = {task.name: task for task in plan(tmp_path).tasks}
    more = {task.name: task for task in plan(tmp_path, "learn.label_seeds=5").tasks}
    assert all("audit" in tasks[name].after for name in ("pretrain trimix", "pretrain scratch"))
    assert tasks["audit"].key != more["audit"].key, "it looks at more subsets"
    assert tasks["pretrain trimix"].key == more["pretrain trimix"].key


def test_nobody_looks_for_near_duplicates_if_told_so(tmp_path: Path) -> None:
    steps = [task.step for task in plan(tmp_path, ELSEWHERE, "audit.likeness=null").tasks]
    assert "duplicates" not in steps
    assert "audit" in steps


def test_how_images_are_stored_follows_the_study() -> None:
    found = study(ELSEWHERE, "data.channels=rgb", "data.fit=crop").pretrain_data
    assert found is not None
    assert (found.stored_shape, found.fit) == ((3, 32, 32), "crop")
    assert study().pretrain_data is None


@pytest.mark.parametrize("key", ["channels: rgb", "image_size: [64, 64]", "volume: {size: [8, 8, 8]}"])
def test_other_shapes_are_refused_with_the_numbers(key: str) -> None:
    with pytest.raises(ConfigError, match=r"pretrain.data would be stored as .* and data as 1 x 32 x 32"):
        study(f"pretrain.data={{source: phantom, {key}}}")


def test_a_source_that_is_not_there_is_told_with_its_key() -> None:
    with pytest.raises(ConfigError, match=r"pretrain.data.source: there is no such folder or file"):
        study("pretrain.data={source: /nowhere/at/all}")
