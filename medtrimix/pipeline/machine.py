"""What this machine has, found out without importing torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medtrimix.errors import InputError
from medtrimix.pipeline.study import ComputeOptions

_GPUS = Path("/proc/driver/nvidia/gpus")
_CPU = Path("/proc/cpuinfo")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
_MOST_WORKERS = 8  # each holds torch and a model: about 1 GB


@dataclass(frozen=True)
class Machine:
    """`ComputeOptions` with every `auto` resolved.

    Attributes:
        device: `cpu` or `cuda`.
        precision: `fp32` or `bf16`.
        workers: tasks at a time.
        threads: of each process of a worker.
        gpus: how many; worker i uses `processes` of them from number i * processes, modulo this.
        processes: of each pretraining, of which a worker is the first.
    """

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    workers: int
    threads: int
    gpus: int
    processes: int = 1


def resolve(options: ComputeOptions) -> Machine:
    """The machine as the options want it used.

    Raises:
        InputError: fewer GPUs than a pretraining wants.
    """
    processes = options.processes_per_training
    cores = len(os.sched_getaffinity(0))
    gpus = len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0
    device: Literal["cpu", "cuda"] = "cuda" if gpus else "cpu"
    if options.device != "auto":
        device = options.device
    precision: Literal["fp32", "bf16"] = "bf16" if device == "cuda" or _cpu_has_bf16() else "fp32"
    if options.precision != "auto":
        precision = options.precision
    if device == "cuda" and gpus and gpus < processes:
        raise InputError(f"there are {gpus} GPUs for {processes} processes.", where="compute.processes_per_training")
    workers = max(1, (gpus if device == "cuda" else min(cores, _MOST_WORKERS)) // processes)
    # Of the machine, not of how many workers were asked for: threads decide the last bits of a sum.
    threads = max(1, cores // (workers * processes))
    if options.workers != "auto":
        workers = options.workers
    if options.threads != "auto":
        threads = options.threads
    return Machine(device=device, precision=precision, workers=workers, threads=threads, gpus=gpus, processes=processes)


def _cpu_has_bf16() -> bool:
    """Whether bfloat16 products run in hardware; emulated ones are slower than float32."""
    if not _CPU.is_file():
        return False
    for line in _CPU.read_text().splitlines():
        if line.startswith("flags"):
            return bool(_BF16_FLAGS & set(line.split()))
    return False
