"""Pipeline files: the ones in the repository load, and mistakes are told all at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medtrimix.errors import ConfigError
from medtrimix.methods.options import NoneOptions
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.plan import make_plan

PIPELINES = sorted((Path(__file__).resolve().parents[2] / "pipelines").glob("*.yaml"))

BAD = """\
name: bad
data:
  source: /nowhere/at/all
  image_sise: [64, 64]
pretrain:
  batch_size: many
  arms:
    trimix: {method: trimax}
learn:
  label_budgets: [1.5]
"""


@pytest.fixture
def data_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty stand-ins for the public sets: a file only has to be there to be checked."""
    (tmp_path / "nih_cxr").mkdir()
    for name in ("pneumoniamnist.npz", "adrenalmnist3d_64.npz", "nih_cxr/labels.csv"):
        (tmp_path / name).touch()
    monkeypatch.setenv("MEDTRIMIX_DATA", str(tmp_path))


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_every_pipeline_of_the_repository_loads(
    path: Path, data_everywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parents[1])
    study = load_study(path)
    assert study.name == path.stem.replace("_", "-")
    assert any(isinstance(arm, NoneOptions) for arm in study.pretrain.arms.values()), "a control from scratch"


def test_five_mistakes_are_reported_in_one_go(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    found = {problem.key: problem for problem in caught.value.problems}
    lines = {key: problem.line for key, problem in found.items()}
    assert lines == {
        "data.source": 3,
        "data.image_sise": 4,
        "pretrain.batch_size": 6,
        "pretrain.arms.trimix.method": 8,
        "learn.label_budgets.0": 10,
    }
    for name in ("trimix", "simclr", "barlow_twins", "none"):
        assert f"'{name}'" in found["pretrain.arms.trimix.method"].message
    assert "1.5" in found["learn.label_budgets.0"].message
    assert "nowhere" not in str(caught.value), "a path can name a patient"


def test_check_exits_with_2_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    done = subprocess.run(
        [sys.executable, "-m", "medtrimix", "check", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("bad.yaml:") == 5
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "override",
    [
        "learn.label_budgets=[0.1, 0.1]",
        "learn.label_budgets=[]",
        "learn.strategies=[linear, linear]",
        "learn.strategies={}",
        "learn.strategies={a/b: linear}",
        "pretrain.arms={}",
        "name=a/b",
        "split.val=1",
    ],
)
def test_what_makes_no_study_is_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        load_study(PIPELINES[-1], overrides=(override,))


def test_a_strategy_can_take_part_twice_under_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDTRIMIX_SECRET_FILE", str(tmp_path / "secret"))
    smoke = next(path for path in PIPELINES if path.stem == "smoke")
    named = "learn.strategies={full: finetune, head: {strategy: finetune, train: head}}"
    study = load_study(smoke, overrides=(named,))
    plan = make_plan(study, machine=resolve(study.compute), workspace=tmp_path)
    tasks = {name: [t for t in plan.of_step("learn") if t.labels["strategy"] == name] for name in ("full", "head")}
    assert len(tasks["full"]) == len(tasks["head"]) == 2 * 2 * 2
    assert len({task.key for both in tasks.values() for task in both}) == 16
    plain = make_plan(
        load_study(smoke, overrides=("learn.strategies=[finetune]",)),
        machine=resolve(study.compute),
        workspace=tmp_path,
    )
    assert {t.key for t in plain.of_step("learn")} == {t.key for t in tasks["full"]}, "a name is no option"


def test_mistakes_in_named_strategies_are_named_in_their_place() -> None:
    with pytest.raises(ConfigError) as caught:
        load_study(
            PIPELINES[-1],
            overrides=("learn.strategies={a: {strategy: finetune, trian: head}, b: {train: head}, c: nothing}",),
        )
    messages = {problem.key: problem.message for problem in caught.value.problems}
    assert "did you mean 'train'" in messages["learn.strategies.a.trian"]
    assert "strategy" in messages["learn.strategies.b"]
    assert "'finetune'" in messages["learn.strategies.c.strategy"]


def test_pretrainings_and_label_seeds_make_cells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDTRIMIX_SECRET_FILE", str(tmp_path / "secret"))
    smoke = next(path for path in PIPELINES if path.stem == "smoke")
    study = load_study(smoke, overrides=("pretrain.seeds=2", "learn.label_seeds=[4, 1]"))
    plan = make_plan(study, machine=resolve(study.compute), workspace=tmp_path)
    names = [task.name for task in plan.of_step("pretrain")]
    assert names == ["pretrain trimix 0", "pretrain scratch 0", "pretrain trimix 1", "pretrain scratch 1"]
    cells = [task.labels for task in plan.of_step("learn") if task.labels["strategy"] == "linear"]
    assert len(cells) == 2 * 2 * (4 + 1)
    assert len(plan.of_step("evaluate")) == 2 * len(cells)
    first = make_plan(load_study(smoke), machine=resolve(study.compute), workspace=tmp_path)
    once = {task.labels["arm"]: task.key for task in first.of_step("pretrain")}
    assert {t.labels["arm"]: t.key for t in plan.of_step("pretrain") if t.labels["pretrain_seed"] == 0} == once


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (("pretrain.epochs=3",), "takes image_budget or epochs, not both"),
        (("learn.label_seeds=[4, 1, 2]",), "label_seeds has 3 numbers for 2 budgets"),
        (("learn.label_seeds=0",), "label_seeds"),
        (("pretrain.batch_size=10", "pretrain.accumulate=4"), "batch_size 10 can't be cut into accumulate: 4"),
        (("pretrain.batch_size=4", "pretrain.accumulate=4"), "parts of 2 images or more"),
        (("compute.compile=true", "compute.processes_per_training=2"), "compile or processes_per_training, not both"),
        (("compute.compile=true", "pretrain.arms.trimix.mixing=hidden"), "does not go with mixing: hidden"),
        (("pretrain.optimizer.name=adam",), "adamw"),
        (("pretrain.ema=1.0",), "pretrain.ema"),
    ],
)
def test_lengths_and_seeds_that_contradict(overrides: tuple[str, ...], complaint: str) -> None:
    smoke = next(path for path in PIPELINES if path.stem == "smoke")
    with pytest.raises(ConfigError, match=complaint):
        load_study(smoke, overrides=overrides)


@pytest.mark.parametrize("encoder", ["{name: vit}", "{name: vit, width: 0.25}"])
def test_mae_needs_patches(encoder: str) -> None:
    smoke = next(path for path in PIPELINES if path.stem == "smoke")
    arms = "pretrain.arms={mae: {method: mae}, scratch: {method: none}}"
    with pytest.raises(
        ConfigError, match=r"arm mae: .* resnet10 has not; set pretrain.encoder to \{name: vit\}"
    ) as caught:
        load_study(smoke, overrides=(arms,))
    assert caught.value.exit_code == 2
    load_study(smoke, overrides=(arms, f"pretrain.encoder={encoder}"))


def _told(*overrides: str) -> dict[str, str]:
    smoke = next(path for path in PIPELINES if path.stem == "smoke")
    with pytest.raises(ConfigError) as caught:
        load_study(smoke, overrides=overrides)
    assert "Mueller" not in str(caught.value), "a path can name a patient"
    return {problem.key: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("section", ["data", "pretrain.data"])
@pytest.mark.parametrize("source", ["phantom", "Mueller.csv", "Mueller.npz"])
def test_a_source_with_labels_of_its_own_takes_no_others(section: str, source: str, tmp_path: Path) -> None:
    (tmp_path / source).touch()
    place = source if source == "phantom" else tmp_path / source
    told = _told(f"{section}.source={place}", f"{section}.labels=mine.csv")
    assert "brings its own labels" in told[f"{section}.labels"]


def test_a_folder_takes_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    (tmp_path / "export.npz").mkdir()
    smoke = next(path for path in PIPELINES if path.stem == "smoke")
    load_study(smoke, overrides=(f"data.source={tmp_path / 'export.npz'}", f"data.labels={tmp_path / 'labels.csv'}"))


@pytest.mark.parametrize(
    "key", ["data.source", "data.labels", "pretrain.data.source", "split.file", "pretrain.arms.other.weights"]
)
def test_what_may_not_be_looked_at_is_told_without_its_name(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = Path.stat

    def refusing(path: Path, **options: bool) -> os.stat_result:
        if "Mueller" in path.name:
            raise PermissionError(13, "Permission denied", str(path))
        return looked_at(path, **options)

    monkeypatch.setattr(Path, "stat", refusing)
    folder = ("data.source=.",) if key == "data.labels" else ()
    method = ("pretrain.arms.other.method=checkpoint",) if key.startswith("pretrain.arms") else ()
    assert _told(*folder, *method, f"{key}=Mueller_Hans") == {
        key: "it can't be read (Permission denied); check the path and its permissions"
    }


def test_a_path_that_no_disk_takes_is_told() -> None:
    assert "File name too long" in _told(f"data.source=/{'Mueller' * 1000}")["data.source"]
    assert "no such" in _told("data.source=~nobody-of-this-name/Mueller")["data.source"]


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("data.volume={size: [16, 16, 16]}", "data.volume"),
        ("pretrain.data={source: phantom, volume: {samples: slices}}", "pretrain.data.volume"),
        ("phantom.patients=2", "phantom.patients"),
        ("pretrain.optimizer.learning_rate=.inf", "pretrain.optimizer.learning_rate"),
        ("pretrain.ema=.nan", "pretrain.ema"),
        ("compute.checkpoint_every_s=.inf", "compute.checkpoint_every_s"),
        ("data.source=dicomweb+https://pacs/rs?StudyDate=20200102-20200101", "data.source"),
        ("pretrain.data={source: phantom, image_size: [64, 64]}", "pretrain.data"),
    ],
)
def test_check_refuses_what_can_not_run(override: str, key: str) -> None:
    assert list(_told(override)) == [key]


def test_the_phantoms_kinds_are_told_apart() -> None:
    assert _told("phantom={kind: mr}") == {"phantom.kind": "unknown kind 'mr'; known: 'radiograph', 'ct'"}
    assert "did you mean" not in _told("phantom={kind: ct, image_px: 48}")["phantom.image_px"]
    assert "did you mean 'image_px'" in _told("phantom={image_pix: 48}")["phantom.image_pix"]


def test_a_file_of_no_known_kind_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "Mueller.txt").touch()
    assert "neither a folder, nor a manifest" in _told(f"data.source={tmp_path / 'Mueller.txt'}")["data.source"]
