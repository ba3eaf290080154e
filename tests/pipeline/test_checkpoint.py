"""Arms that start from another study's encoder: what `check` says, what the key depends on, what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from medtrimix.config.yaml import dump
from medtrimix.data.store_writer import StoreWriter
from medtrimix.errors import ConfigError, InputError
from medtrimix.methods.options import CheckpointOptions
from medtrimix.nets.card import content_of
from medtrimix.nets.encoder import build_encoder
from medtrimix.nets.options import EncoderOptions
from medtrimix.nets.weights import load_encoder, save_encoder
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.plan import Task, make_plan
from medtrimix.pipeline.study import Study
from medtrimix.report.collect import masked_config
from medtrimix.steps import ingest, pretrain, split
from medtrimix.steps.context import Context, Recorder

KIND = EncoderOptions(name="resnet10", width=0.125)


def saved(stem: Path, *, channels: int = 1, size: tuple[int, ...] = (16, 16), seed: int = 0) -> Path:
    stem.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    save_encoder(build_encoder(KIND, channels=channels, image_size=size), stem=stem)
    return stem


def study(folder: Path, weights: str | Path, *, encoder: str = "resnet18") -> Study:
    path = folder / "study.yaml"
    arms = {"given": {"method": "checkpoint", "weights": str(weights)}, "scratch": {"method": "none"}}
    values = {
        "name": "study",
        "data": {"source": "phantom", "image_size": [32, 32]},
        "pretrain": {"encoder": {"name": encoder}, "arms": arms},
    }
    path.write_text(dump(values))
    return load_study(path)


def task(loaded: Study, *, workspace: Path) -> Task:
    plan = make_plan(loaded, machine=resolve(loaded.compute), workspace=workspace)
    return next(task for task in plan.of_step("pretrain") if task.labels["arm"] == "given")


def test_the_key_is_that_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stem = saved(tmp_path / "a" / "CANARY")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    monkeypatch.setenv("MEDTRIMIX_DATA", str(tmp_path))
    given = (stem, stem.with_name("CANARY.safetensors"), tmp_path / "b" / "CANARY", "${MEDTRIMIX_DATA}/a/CANARY.json")
    tasks = [task(study(tmp_path, weights), workspace=tmp_path) for weights in given]
    assert len({each.key for each in tasks}) == 1
    assert task(study(tmp_path, stem, encoder="densenet121"), workspace=tmp_path).key == tasks[0].key
    assert tasks[0].config.encoder == KIND  # type: ignore[attr-defined]
    saved(stem, seed=1)
    assert task(study(tmp_path, stem), workspace=tmp_path).key != tasks[0].key


def test_the_path_is_in_nothing_that_is_written(tmp_path: Path) -> None:
    stem = saved(tmp_path / "CANARY" / "CANARY")
    loaded = study(tmp_path, stem)
    assert "CANARY" not in task(loaded, workspace=tmp_path).config.model_dump_json()
    assert "CANARY" not in masked_config(loaded)
    run = "mlflow-run:" + 32 * "a"
    assert run in masked_config(study(tmp_path, run)), "a run's id says nothing about the machine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stem: stem.with_name("CANARY.json").unlink(), "there is no such encoder"),
        (lambda stem: stem.with_name("CANARY.json").write_text("{}"), "not an encoder of medtrimix"),
        (lambda stem: saved(stem, channels=3), "is for pictures of 3 channels, .* are pictures of 1 channel$"),
        (lambda stem: saved(stem, size=(8, 8, 8)), "is for volumes of 1 channel, .* are pictures of 1 channel$"),
    ],
    ids=["missing", "other", "channels", "volumes"],
)
def test_check_finds_what_does_not_fit(tmp_path: Path, change: object, message: str) -> None:
    stem = saved(tmp_path / "CANARY")
    change(stem)  # type: ignore[operator]
    with pytest.raises(ConfigError, match=message) as caught:
        study(tmp_path, stem)
    [problem] = caught.value.problems
    assert problem.key == "pretrain.arms.given.weights"
    assert problem.line > 0
    assert "CANARY" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_check_loads_no_torch_and_no_mlflow(tmp_path: Path) -> None:
    study(tmp_path, saved(tmp_path / "encoder"))
    probe = (
        "import sys\nfrom pathlib import Path\nfrom medtrimix.pipeline.load import load_study\n"
        f"load_study(Path({str(tmp_path / 'study.yaml')!r}))\n"
        "print([name for name in ('torch', 'mlflow', 'monai', 'safetensors') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("run", ["mlflow-run:", "mlflow-run:12", "mlflow-run:" + 32 * "g"])
def test_a_run_has_an_id(tmp_path: Path, run: str) -> None:
    with pytest.raises(ConfigError, match="32 hex digits"):
        study(tmp_path, run)


def test_a_run_without_a_database(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^pretrain\.arms\.given\.weights: There is no MLflow database here"):
        task(study(tmp_path, "mlflow-run:" + 32 * "a"), workspace=tmp_path)
    assert not (tmp_path / "encoders").exists()


@pytest.fixture
def inputs(tmp_path: Path) -> pretrain.Inputs:
    """A store of ten noisy pictures, all for training."""
    columns = {"sample_id": str}
    folder = ingest.store_folder(tmp_path / "ingest")
    with StoreWriter(folder, image_shape=(1, 16, 16), dtype="uint8", columns=columns) as writer:
        for number in range(10):
            image = np.random.default_rng(number).integers(0, 255, (1, 16, 16), dtype=np.uint8)
            writer.add([image], rows=[{"sample_id": f"s{number}"}], note=None)
    (tmp_path / "split").mkdir()
    rows = [f"s{number},train" for number in range(10)]
    split.split_file(tmp_path / "split").write_text("\n".join(["sample_id,split", *rows]) + "\n")
    return pretrain.Inputs(ingest=tmp_path / "ingest", split=tmp_path / "split", weights=tmp_path / "CANARY")


def run(inputs: pretrain.Inputs, *, out: Path, content: str) -> Recorder:
    out.mkdir()
    values = {
        "method": {"method": "checkpoint", "weights": "external"},
        "encoder": KIND.model_dump(),
        "augment": {},
        "batch_size": 8,
        "image_budget": 16,
        "epochs": None,
        "optimizer": {},
        "numerics": {"device": "cpu", "precision": "fp32"},
        "seed": 1,
        "weights_content": content,
    }
    config = pretrain.Config.model_validate_json(json.dumps(values))
    recorder = Recorder(out)
    context = Context(recorder=recorder, should_stop=lambda: False, workers=1, checkpoint_every_s=1e9)
    pretrain.run(config, inputs=inputs, out=out, context=context)
    return recorder


def test_the_encoder_is_taken_as_it_is(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    stem = saved(tmp_path / "CANARY")
    recorder = run(inputs, out=tmp_path / "out", content=content_of(stem))
    taken, given = load_encoder(stem=pretrain.encoder_stem(tmp_path / "out")), load_encoder(stem=stem)
    assert all(torch.equal(value, taken.state_dict()[name]) for name, value in given.state_dict().items())
    assert pretrain.load_arm(tmp_path / "out").pretrained
    assert recorder.params["weights"] == f"sha256 {content_of(stem)}"
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"CANARY" not in written


def test_images_that_it_is_not_for(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    stem = saved(tmp_path / "CANARY", channels=3)
    with pytest.raises(InputError, match=r"for pictures of 3 channels, .* of 1 channel\. Take a checkpoint") as caught:
        run(inputs, out=tmp_path / "out", content=content_of(stem))
    assert "CANARY" not in str(caught.value)


def test_weights_of_another_card(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    stem, other = saved(tmp_path / "CANARY"), saved(tmp_path / "other", seed=1)
    shutil.copy(other.with_name("other.safetensors"), stem.with_name("CANARY.safetensors"))
    with pytest.raises(InputError, match="not those that its JSON file describes") as caught:
        run(inputs, out=tmp_path / "out", content=content_of(stem))
    assert "CANARY" not in str(caught.value)


def test_files_that_changed_meanwhile(inputs: pretrain.Inputs, tmp_path: Path) -> None:
    content = content_of(saved(tmp_path / "CANARY"))
    saved(tmp_path / "CANARY", seed=1)
    with pytest.raises(InputError, match="changed while the study ran"):
        run(inputs, out=tmp_path / "out", content=content)


def test_options_know_a_run_from_a_file() -> None:
    assert CheckpointOptions(weights="mlflow-run:" + 32 * "0").run_id == 32 * "0"
    assert CheckpointOptions(weights="a/encoder.safetensors").run_id is None
