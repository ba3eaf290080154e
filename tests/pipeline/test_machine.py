"""Who gets which part of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medtrimix.errors import InputError
from medtrimix.pipeline import machine
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.study import ComputeOptions
from medtrimix.pipeline.worker import gpus_of


@pytest.fixture
def eight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores and four GPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for number in range(4):
        (tmp_path / str(number)).mkdir()
    monkeypatch.setattr(machine, "_GPUS", tmp_path)


@pytest.mark.parametrize(
    ("options", "workers", "threads"),
    [
        (ComputeOptions(device="cpu"), 8, 1),
        (ComputeOptions(device="cpu", processes_per_training=2), 4, 1),
        (ComputeOptions(device="cpu", processes_per_training=3), 2, 1),
        (ComputeOptions(device="cpu", processes_per_training=2, workers=1), 1, 1),
        (ComputeOptions(device="cpu", workers=1), 1, 1),
        (ComputeOptions(device="cpu", workers=2, threads=4), 2, 4),
        (ComputeOptions(device="cuda"), 4, 2),
        (ComputeOptions(device="cuda", processes_per_training=2), 2, 2),
        (ComputeOptions(device="cuda", processes_per_training=4), 1, 2),
    ],
)
def test_processes_of_a_training_share_a_worker_s_part(
    eight: None, options: ComputeOptions, workers: int, threads: int
) -> None:
    found = resolve(options)
    assert (found.workers, found.threads, found.processes) == (workers, threads, options.processes_per_training)


def test_more_processes_than_gpus_are_refused(eight: None) -> None:
    with pytest.raises(InputError, match="4 GPUs for 5 processes"):
        resolve(ComputeOptions(device="cuda", processes_per_training=5))


def test_each_worker_has_gpus_of_its_own() -> None:
    assert [gpus_of(worker, gpus=4, each=2) for worker in range(3)] == [[0, 1], [2, 3], [0, 1]]
    assert [gpus_of(worker, gpus=3, each=1) for worker in range(4)] == [[0], [1], [2], [0]]
