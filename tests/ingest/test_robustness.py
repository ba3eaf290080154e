"""A part of `benchmarks/robustness.py` in every run of the tests, and proof that its judge can say no."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mutations import lie, mutated
from originals import made_originals
from robustness import NAMES, problems_of

from medtrimix.arrays import Volume
from medtrimix.ingest.listing import list_folder
from medtrimix.ingest.sample import Outcome, Record, Refusal, Sample
from medtrimix.ingest.verdict import Verdict

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_damaged_files_and_bombs_cost_one_verdict_each() -> None:
    command = [sys.executable, BENCHMARKS / "robustness.py", "--mutations", "200", "--seed", "3", "--timeout", "3"]
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "one verdict on every file" in done.stdout


@pytest.mark.parametrize("number", range(len(made_originals(name="names", rng=np.random.default_rng(0)))))
def test_mutations_change_a_file_and_can_be_repeated(number: int) -> None:
    original = made_originals(name="names", rng=np.random.default_rng(0))[number].data
    results = [mutated(original, rng=np.random.default_rng([1, seed])) for seed in range(20)]
    assert results == [mutated(original, rng=np.random.default_rng([1, seed])) for seed in range(20)]
    assert len(set(results)) >= 18
    assert sum(result == original for result in results) <= 2  # two damages can undo each other
    assert all(results), "an empty file is no image, so none is made"


def test_lies_keep_the_length_of_what_they_leave_alone() -> None:
    """A lie is a field of the header, so nearly all of the file must be as before."""
    for original in made_originals(name="names", rng=np.random.default_rng(0)):
        for seed in range(20):
            result = lie(original.data, np.random.default_rng(seed))
            assert abs(len(result) - len(original.data)) < 64
            assert result[-64:] == original.data[-64:] or original.ending in (".nii.gz", ".tiff", ".jpeg")


def _sample(name: str) -> Sample:
    record = Record(name, "p", "", "", "", "", f"pixels of {name}", "CT", "rle", 1, 1)
    return Sample(Volume(np.zeros((1, 8, 8), np.uint8)), record)


FINE = [
    Outcome(samples=(_sample("a"),), accepted_files=2),
    Outcome(refusals=(Refusal(NAMES.file("c"), Verdict.truncated),)),
]


@pytest.mark.parametrize(
    ("outcomes", "complaint"),
    [
        (FINE, ""),
        (FINE[:1], "2 accepted and 0 refused of 3 files"),
        ([*FINE, FINE[1]], "2 verdicts on c"),
        ([FINE[0], Outcome(refusals=(Refusal("other", Verdict.gap),))], "not there"),
        ([Outcome(samples=(_sample("a"),), accepted_files=3)], "accepted: c"),
        ([Outcome(samples=(_sample("b"),), accepted_files=2), FINE[1]], "1 of 1 good images are lost or changed"),
    ],
)
def test_the_judge_sees_what_is_wrong(outcomes: list[Outcome], complaint: str) -> None:
    expected = Counter({"pixels of a": 1})
    problems = problems_of(outcomes, files=["a", "b", "c"], must_fall=["c"], expected=expected)
    assert bool(problems) == bool(complaint)
    assert complaint in "\n".join(problems)


def test_a_tree_deeper_than_pythons_stack_is_listed(tmp_path: Path) -> None:
    """Its last folders have paths that are longer than the system takes, so they can't be opened."""
    here = os.getcwd()  # noqa: PTH109
    try:
        os.chdir(tmp_path)
        for level in range(1100):
            if level == 990:
                Path("picture.png").touch()
            os.mkdir("ddd")  # noqa: PTH102
            os.chdir("ddd")
        files = list_folder(tmp_path)
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-r", tmp_path / "ddd"], check=True)
    assert [(Path(file.relative).name, file.verdict) for file in files] == [
        ("ddd", Verdict.unreadable),
        ("picture.png", None),
    ]
