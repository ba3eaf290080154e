"""What every step must be; a new one is enrolled by being in the table."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from pydantic import ValidationError

from medtrimix.config.model import Config
from medtrimix.steps.context import Context, Recorder
from medtrimix.steps.table import STEPS


def broken_promises(name: str, step: ModuleType | SimpleNamespace) -> list[str]:
    """What a step promises and does not keep."""
    broken = []
    if not (inspect.isclass(step.Config) and issubclass(step.Config, Config)):
        broken.append("Config is not a strict configuration")
    else:
        if step.Config.model_config.get("extra") != "forbid" or not step.Config.model_config.get("frozen"):
            broken.append("Config takes unknown keys or can be changed")
        if any(field.annotation is Path for field in step.Config.model_fields.values()):
            broken.append("Config has a path: keys must not depend on where things lie")
    if not dataclasses.is_dataclass(step.Inputs) or not step.Inputs.__dataclass_params__.frozen:
        broken.append("Inputs is not a frozen dataclass")
    elif any("Path" not in str(field.type) for field in dataclasses.fields(step.Inputs)):
        broken.append("Inputs has something else than paths")
    parameters = inspect.signature(step.run).parameters
    if list(parameters) != ["config", "inputs", "out", "context"]:
        broken.append("run takes other arguments")
    if not (step.__doc__ or "").strip() or not (step.run.__doc__ or "").strip():
        broken.append("nobody says what it does")
    if getattr(step, "__name__", "").rpartition(".")[2] != name:
        broken.append("it is listed under another name than its module's")
    return broken


@pytest.mark.parametrize("name", STEPS)
def test_a_step_keeps_its_promises(name: str) -> None:
    assert broken_promises(name, STEPS[name]) == []


def test_the_contract_can_fail() -> None:
    class Loose:
        path: Path

    @dataclasses.dataclass
    class Changeable:
        number: int

    def run(config: object, out: Path) -> None: ...

    broken = broken_promises("bad", SimpleNamespace(Config=Loose, Inputs=Changeable, run=run, __doc__="", __name__="x"))
    assert len(broken) == 5


@pytest.mark.parametrize("name", STEPS)
def test_unknown_keys_of_a_step_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="surprise"):
        STEPS[name].Config.model_validate_json('{"surprise": 1}')


def test_steps_come_after_what_they_read() -> None:
    order = list(STEPS)
    for name, step in STEPS.items():
        for field in dataclasses.fields(step.Inputs):
            if field.name in STEPS:
                assert order.index(field.name) < order.index(name)


def test_a_recorder_forgets_what_a_resumed_training_tells_again(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for step in range(5):
        recorder.curve(step, values={"loss": float(step)})
    recorder.flush()
    with (tmp_path / "curves.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')  # a kill cut this line
    again = Recorder(tmp_path)
    again.rewind(3)
    again.curve(3, values={"loss": 30.0})
    again.close()
    lines = (tmp_path / "curves.jsonl").read_text().splitlines()
    assert ['"step": 0' in lines[0], '"step": 2' in lines[2], "30.0" in lines[3]] == [True] * 3
    assert len(lines) == 4


def test_a_context_names_what_a_step_may_use(tmp_path: Path) -> None:
    context = Context(recorder=Recorder(tmp_path), should_stop=lambda: True, workers=1, checkpoint_every_s=1.0)
    assert context.should_stop()
    with pytest.raises(dataclasses.FrozenInstanceError):
        context.workers = 2  # type: ignore[misc]
