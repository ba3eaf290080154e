"""What decides a task's key, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from medtrimix.errors import InputError
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.plan import make_plan

SMOKE = Path(__file__).resolve().parents[2] / "pipelines" / "smoke.yaml"


def keys(workspace: Path, *overrides: str) -> dict[str, str]:
    study = load_study(SMOKE, overrides=overrides)
    plan = make_plan(study, machine=resolve(study.compute), workspace=workspace)
    return {task.name: task.key for task in plan.tasks}


@pytest.mark.parametrize(
    "override",
    ["pretrain.image_budget=777", "pretrain.ema=0.5", "pretrain.watch={images: 64}", "pretrain.on_collapse=fail"],
)
def test_how_others_are_trained_does_not_renew_an_arm_without_training(tmp_path: Path, override: str) -> None:
    before, after = keys(tmp_path), keys(tmp_path, override)
    changed = {name for name in before if after[name] != before[name]}
    assert "pretrain trimix" in changed, "the comparison can tell"
    assert not [name for name in changed if "scratch" in name]


@pytest.mark.parametrize("section", ["data", "pretrain.data"])
def test_a_workspace_in_the_source_is_refused(tmp_path: Path, section: str) -> None:
    (tmp_path / "m.csv").write_text("path,label\nexport,a\n")
    for source in (tmp_path, tmp_path / "m.csv"):
        with pytest.raises(InputError, match="--workspace") as error:
            keys(tmp_path / "export" / "workspace", f"{section}={{source: {source}}}")
        assert error.value.where == f"{section}.source"
        assert str(tmp_path) not in str(error.value)


def test_another_network_renews_all_arms(tmp_path: Path) -> None:
    before, after = keys(tmp_path), keys(tmp_path, "pretrain.encoder={name: resnet18, width: 0.5}")
    assert after["pretrain scratch"] != before["pretrain scratch"]
    assert after["split"] == before["split"]
