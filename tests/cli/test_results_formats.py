"""`medtrimix results --format`: the numbers of the files, as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medtrimix.cli.results import print_results


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps({"study": name, "cells": []}))
        (folder / "results.csv").write_text(f"arm,auc\n{name},0.9\n")
    return tmp_path


def test_json_is_one_object_of_one_study_and_a_list_of_several(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_results("b", workspace=workspace, form="json")
    assert json.loads(capsys.readouterr().out)["study"] == "b"
    print_results(None, workspace=workspace, form="json")
    assert [each["study"] for each in json.loads(capsys.readouterr().out)] == ["a", "b"]


def test_csv_is_the_file(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_results("a", workspace=workspace, form="csv")
    assert capsys.readouterr().out == "arm,auc\na,0.9\n"
