"""Running one task in a worker process. Importing this module must stay cheap: every worker does."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from medtrimix.errors import MedtrimixError, StepFailed
from medtrimix.pipeline.cache import StepCache


class _Flag(Protocol):
    def is_set(self) -> bool: ...


@dataclass(frozen=True)
class Job:
    """A task as it crosses the border to a worker: plain data only."""

    name: str
    step: str
    key: str
    config_json: str
    inputs: dict[str, Path]
    provenance: dict[str, Any] = field(default_factory=dict)
    workers: int = 1
    checkpoint_every_s: float = 20.0


_stop: _Flag | None = None


def prepare(stop: _Flag, parent: int, threads: int, gpus: int, processes: int, numbers: Any) -> None:
    """Initialises a worker: its share of the cores and GPUs, deaf to Ctrl-C and SIGTERM, never outliving its parent."""
    global _stop
    _stop = stop
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group: the parent asks us, at a safe point
        signal.signal(number, signal.SIG_IGN)
    # Before numpy or torch is imported. Fixed thread counts keep sums, and with them results, the same.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus_of(numbers.get(), gpus=gpus, each=processes)))
    keep_freed_memory()
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def gpus_of(worker: int, *, gpus: int, each: int) -> list[int]:
    """Numbers of the GPUs of a worker, `each` side by side; with more workers than that, some share theirs."""
    return [(worker * each + number) % gpus for number in range(each)]


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Has the C library keep memory that this process frees, for the next step of a training needs as much again.

    By default glibc returns large pieces to the system, which clears each page anew when it is touched next: 5% to 15%
    of a step. Sizes are those of glibc's malloc.h; other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 * 2**20)  # larger ones still go back; glibc takes no higher limit
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def _die_with(parent: int) -> None:
    """A parent that was killed can't tell us; without this its workers would go on for hours."""
    while os.getppid() == parent:
        time.sleep(0.3)
    os._exit(1)


def execute(job: Job, *, root: Path) -> None:
    """Runs `job` unless another process has done it meanwhile; its result is in the cache afterwards.

    Raises:
        MedtrimixError: what the step raised; anything else comes as `StepFailed` without the original message, which
            could quote an identifier.
    """
    from medtrimix.steps.context import Context, Recorder
    from medtrimix.steps.table import run_step

    cache = StepCache(root)
    should_stop: Callable[[], bool] = _stop.is_set if _stop is not None else lambda: False
    with cache.locked(job.step, key=job.key) as out:
        if cache.is_done(job.step, key=job.key):
            return
        cache.clear(job.step, key=job.key)
        started = time.monotonic()
        context = Context(
            recorder=Recorder(out),
            should_stop=should_stop,
            workers=job.workers,
            checkpoint_every_s=job.checkpoint_every_s,
        )
        _quiet()
        try:
            run_step(job.step, config_json=job.config_json, inputs=job.inputs, out=out, context=context)
        except MedtrimixError:
            raise
        except Exception as error:
            raise StepFailed(
                f"{type(error).__name__} in {_place(error)}.",
                where=job.name,
                fix="This is a bug of medtrimix, or the machine is out of memory or disk; finished steps are kept.",
            ) from None
        cache.mark_done(job.step, key=job.key, provenance=job.provenance, seconds=time.monotonic() - started)


def _place(error: BaseException) -> str:
    """Innermost line of our own code: file name and number say where without quoting data."""
    place = "medtrimix"
    traceback = error.__traceback__
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        if "medtrimix" in path.parts:
            place = f"{path.parent.name}/{path.name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _quiet() -> None:
    """Libraries greet on import, announce devices and warn; none of it is for our users, some of it quotes values."""
    warnings.simplefilter("ignore")
    for name in ("lightning", "lightning.fabric", "monai", "pydicom", "PIL", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
